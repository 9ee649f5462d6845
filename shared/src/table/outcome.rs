//! Sorts DynamoDB's errors: a condition that did not hold, another write at the same items, load, an outage.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

use super::Failure;
use crate::aws::{describe, never_connected};
use crate::error::Outage;

/// The reasons for a certain no, by precedence: a transaction may be cancelled for several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Condition,
    Invalid,
    Conflict,
    Load,
}

/// Sorts the error of a call to the table `name`.
pub(super) fn of_call<E>(error: SdkError<E, HttpResponse>, name: &str) -> Failure<E>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let reason = match &error {
        SdkError::ServiceError(answer) => reason(answer.err()),
        _ => None,
    };
    let outage = |error: &SdkError<E, HttpResponse>| Outage(format!("{name}: {}", describe(error)));
    match (reason, error) {
        (Some(Reason::Condition), SdkError::ServiceError(answer)) => Failure::Refused(answer.into_err()),
        (Some(Reason::Conflict), error) => Failure::Contended(outage(&error)),
        (Some(Reason::Load), error) => Failure::Throttled(outage(&error)),
        (Some(Reason::Condition | Reason::Invalid), error) => Failure::Rejected(outage(&error)),
        (None, error) if never_connected(&error) => Failure::Unasked(outage(&error)),
        (None, error) => Failure::Down(outage(&error)),
    }
}

/// Returns the reason for a certain no; `None` for any other error.
fn reason<E>(error: &E) -> Option<Reason>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let error_of: &(dyn std::error::Error + 'static) = error;
    if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error_of.downcast_ref() {
        let reasons = canceled.cancellation_reasons().iter();
        let known = reasons.filter_map(|reason| of_code(reason.code()?));
        // Cancelled for a reason that this version does not know: nothing was done, and a retry may succeed.
        return Some(known.min().unwrap_or(Reason::Conflict));
    }
    of_code(error.code()?)
}

/// Both forms: an error's own code, and the code of one item in a cancelled transaction.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
fn of_code(code: &str) -> Option<Reason> {
    match code {
        "ConditionalCheckFailedException" | "ConditionalCheckFailed" => Some(Reason::Condition),
        "ValidationException" | "ValidationError" | "ItemCollectionSizeLimitExceeded" => Some(Reason::Invalid),
        "TransactionConflictException" | "TransactionConflict" | "ReplicatedWriteConflictException" => {
            Some(Reason::Conflict)
        }
        "ThrottlingException"
        | "ThrottlingError"
        | "ProvisionedThroughputExceededException"
        | "ProvisionedThroughputExceeded"
        | "RequestLimitExceeded" => Some(Reason::Load),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::TransactionCanceledException;

    use super::*;

    #[test]
    fn a_plain_write_is_refused_contended_throttled_or_its_fate_is_unknown() {
        for (code, expected) in [
            ("ConditionalCheckFailedException", Some(Reason::Condition)),
            ("ValidationException", Some(Reason::Invalid)),
            ("TransactionConflictException", Some(Reason::Conflict)),
            ("ThrottlingException", Some(Reason::Load)),
            ("ProvisionedThroughputExceededException", Some(Reason::Load)),
            ("RequestLimitExceeded", Some(Reason::Load)),
            ("InternalServerError", None),
            ("ResourceNotFoundException", None),
        ] {
            let error = UpdateItemError::generic(ErrorMetadata::builder().code(code).build());
            assert_eq!(reason(&error), expected, "{code}");
        }
    }

    #[test]
    fn a_cancelled_transaction_is_read_by_its_reasons() {
        for (codes, expected) in [
            (["None", "ConditionalCheckFailed"], Reason::Condition),
            (["TransactionConflict", "ConditionalCheckFailed"], Reason::Condition),
            (["TransactionConflict", "None"], Reason::Conflict),
            (["None", "ThrottlingError"], Reason::Load),
            (
                ["ProvisionedThroughputExceeded", "TransactionConflict"],
                Reason::Conflict,
            ),
            (["ValidationError", "TransactionConflict"], Reason::Invalid),
            (["None", "SomethingNew"], Reason::Conflict),
        ] {
            let reasons = codes.map(|code| CancellationReason::builder().code(code).build());
            let canceled = TransactionCanceledException::builder()
                .set_cancellation_reasons(Some(reasons.to_vec()))
                .build();
            let error = TransactWriteItemsError::TransactionCanceledException(canceled);
            assert_eq!(reason(&error), Some(expected), "{codes:?}");
        }
    }
}
