//! The calls for holds: each conditional, each of them the same however often it is sent.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::Counter;
use super::counter_item::{HOLD, read_held, read_used};
use super::holds::{HeldCounter, Hold, HoldWish};
use super::table::{Added, FITS, QuotaTable, Unanswered, expiry};
use crate::error::Outage;
use crate::money::Tokens;
use crate::table::{self, Failure, number, text};

/// The attempts at a reset while holds come and go.
const RESETS: u32 = 5;

/// The units of a hold that were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HoldSettlement {
    /// All of them.
    pub units: u64,
    /// Of which kind, where the meter has kinds.
    pub tokens: Tokens,
}

impl QuotaTable {
    /// Sets units aside, unless they do not fit or too many holds are open. `Ok(Ok)` is the counter with the hold, `Ok(Err)` the
    /// one that refused it, perhaps because it has the hold already.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn hold(&self, wish: &HoldWish, hold: &Hold) -> Result<Result<HeldCounter, HeldCounter>, Unanswered> {
        let Some(room) = wish.charge.limit.checked_sub(hold.units) else {
            return Ok(Err(self
                .held(&wish.charge.counter)
                .await
                .map_err(Unanswered::Undone)?));
        };
        let call = self
            .holding(&wish.charge.counter, &hold.id)
            .update_expression("SET #hold = :hold, tier = :tier, #ttl = :ttl ADD used :n, #held :n, #open :one")
            .condition_expression(format!(
                "({FITS}) AND attribute_not_exists(#hold) AND (attribute_not_exists(#open) OR #open < :most)"
            ))
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_values(":hold", text(hold.stored()))
            .expression_attribute_values(":tier", text(wish.charge.tier.as_str()))
            .expression_attribute_values(":ttl", expiry(&wish.charge.counter))
            .expression_attribute_values(":n", number(hold.units))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":room", number(room))
            .expression_attribute_values(":most", number(wish.at_once))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.write_repeatable(|| call.clone().send()).await {
            Ok(output) => Ok(Ok(output.attributes().map(read_held).unwrap_or_default())),
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(error))) => {
                Ok(Err(error.item().map(read_held).unwrap_or_default()))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Ends a hold with what was used. Returns what the counter holds now; `None` if there is no such hold any more.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn settle(
        &self,
        counter: &Counter,
        hold: &Hold,
        used: HoldSettlement,
        is_late: bool,
    ) -> Result<Option<u64>, Unanswered> {
        let (more, less) = (
            used.units.saturating_sub(hold.units),
            hold.units.saturating_sub(used.units),
        );
        let difference = if less > 0 { format!("-{less}") } else { more.to_string() };
        let late = if is_late { "SET late = :true " } else { "" };
        let mut call = self
            .holding(counter, &hold.id)
            .update_expression(format!(
                "{late}REMOVE #hold ADD used :difference, #held :less, #open :less_one, #in :in, #out :out"
            ))
            // Never below zero, whatever an operator did to the counter.
            .condition_expression("attribute_exists(#hold) AND used >= :back")
            .expression_attribute_names("#in", "in")
            .expression_attribute_names("#out", "out")
            .expression_attribute_values(":difference", AttributeValue::N(difference))
            .expression_attribute_values(":back", number(less))
            .expression_attribute_values(":less", AttributeValue::N(format!("-{}", hold.units)))
            .expression_attribute_values(":less_one", number(-1))
            .expression_attribute_values(":in", number(used.tokens.input))
            .expression_attribute_values(":out", number(used.tokens.output))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if is_late {
            call = call.expression_attribute_values(":true", AttributeValue::Bool(true));
        }
        match self.table.write_repeatable(|| call.clone().send()).await {
            Ok(output) => Ok(output.attributes().and_then(read_used)),
            Err(Failure::Refused(_)) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Ends a hold that nobody will settle; its units stay used.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn lapse(&self, counter: &Counter, hold: &Hold) -> Result<(), Unanswered> {
        let call = self
            .holding(counter, &hold.id)
            .update_expression("REMOVE #hold ADD #held :less, #open :less_one")
            .condition_expression("#hold = :hold")
            .expression_attribute_values(":hold", text(hold.stored()))
            .expression_attribute_values(":less", AttributeValue::N(format!("-{}", hold.units)))
            .expression_attribute_values(":less_one", number(-1));
        match self.table.write_repeatable(|| call.clone().send()).await {
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Adds units whose number and kinds are known, if they fit.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn add_tokens(&self, charge: &super::Charge, room: u64, tokens: Tokens) -> Result<Added, Unanswered> {
        let call = self
            .update(&charge.counter)
            .update_expression("SET tier = :tier, #ttl = :ttl ADD used :n, #in :in, #out :out")
            .condition_expression(FITS)
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_names("#in", "in")
            .expression_attribute_names("#out", "out")
            .expression_attribute_values(":tier", text(charge.tier.as_str()))
            .expression_attribute_values(":ttl", expiry(&charge.counter))
            .expression_attribute_values(":n", number(charge.units))
            .expression_attribute_values(":in", number(tokens.input))
            .expression_attribute_values(":out", number(tokens.output))
            .expression_attribute_values(":room", number(room))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.write(|| call.clone().send()).await {
            Ok(output) => Ok(Added::Done(
                output.attributes().and_then(read_used).unwrap_or(charge.units),
            )),
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(error))) => {
                Ok(Added::Full(error.item().and_then(read_used).unwrap_or(charge.limit)))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Sets a counter to zero with all its holds, which end without a trace; returns the units that it held.
    ///
    /// # Errors
    /// When the table is down, or holds came and went at every attempt.
    pub async fn reset(&self, counter: &Counter) -> Result<u64, Outage> {
        for _ in 0..RESETS {
            let before = self.held(counter).await?;
            if let Some(units) = self.reset_from(counter, &before).await? {
                return Ok(units);
            }
        }
        Err(Outage("the counter changed at every attempt to reset it".to_owned()))
    }

    /// Resets a counter that still has exactly these holds.
    async fn reset_from(&self, counter: &Counter, before: &HeldCounter) -> Result<Option<u64>, Outage> {
        let mut gone = String::new();
        // A missing counter is at zero already.
        let mut condition = "attribute_exists(used) AND (attribute_not_exists(#open) OR #open = :open)".to_owned();
        let mut call = self
            .update(counter)
            .expression_attribute_names("#open", "open")
            .expression_attribute_names("#held", "held")
            .expression_attribute_values(":open", number(before.holds.len()))
            .expression_attribute_values(":zero", number(0));
        for (n, hold) in before.holds.iter().enumerate() {
            let name = format!("#h{n}");
            gone.extend([", ", &name]);
            condition.extend([" AND attribute_exists(", &name, ")"]);
            call = call.expression_attribute_names(format!("#h{n}"), format!("{HOLD}{}", hold.id));
        }
        let call = call
            .update_expression(format!("SET used = :zero REMOVE #open, #held{gone}"))
            .condition_expression(condition)
            .return_values(ReturnValue::UpdatedOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.write(|| call.clone().send()).await {
            Ok(output) => Ok(Some(output.attributes().and_then(read_used).unwrap_or(0))),
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(error))) => {
                Ok(error.item().and_then(read_used).is_none().then_some(0))
            }
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Returns a counter with its holds.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn held(&self, counter: &Counter) -> Result<HeldCounter, Outage> {
        let item = self.item(counter).await?;
        Ok(item.as_ref().map(read_held).unwrap_or_default())
    }

    fn holding(&self, counter: &Counter, id: &str) -> UpdateItemFluentBuilder {
        self.update(counter)
            .expression_attribute_names("#hold", format!("{HOLD}{id}"))
            .expression_attribute_names("#held", "held")
            .expression_attribute_names("#open", "open")
    }
}
