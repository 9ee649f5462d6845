//! The cues of English, which count in every language.

use super::{Cue, Words};

pub(super) static ENGLISH: Words = Words {
    markers: "the i to and about dont show hide posts of keep please only with anything everything not me my want see \
              that are for more less mute block like love hate content except unless stuff",
    cues: &[
        (
            Cue::Filler,
            "please kindly also still me my the a an any some to you can could would let lets just really very so \
            much many feed timeline posts post content stuff things thing tweets articles see seeing look looking read \
            hear hearing_about hearing_of get getting into at of on in for kind kinds sort type types need_to needs_to reason need being \
            be am will ever actually simply then too not_only from_me people_talking talk again id_rather those \
            these such its it hi hello hey thanks thank feel feeling being am_going everybody i_am_ok else other \
            personally mentions mention people_who from by with",
        ),
        (Cue::Less, "less fewer way_less much_less a_lot_less"),
        (Cue::More, "more way_more much_more a_lot_more lots_more"),
        (
            Cue::Hide,
            "hide block mute filter filter_out remove skip without avoid hate dislike loathe despise \
            cant_stand cannot_stand cant_bear sick_of tired_of fed_up_with bored_of bored_by bored_with annoyed_by \
            annoyed_with offended_by allergic_to triggered_by afraid_of scared_of get_rid_of ban exclude nothing_about \
            nothing zero enough enough_of enough_with too_much too_many could_do_without mind miss ignore suppress hidden \
            down_with drop ditch unfollow blacklist censor nope had_it_with cut cut_out cut_down_on delete away \
            not_into not_interested_in dont_care_about so_tired_of so_sick_of no_interest_in get_rid_of kill hide_all limit reduce minimize minimise had_enough_of over_with take_away no_to opt_out_of break_from a_break_from need_a_break_from rest_from spare_me one_more_post_on one_more_post_about another_post_about keep_away get_these_out done_with so_done_with sick_to_death_of no_more_of_this rather_not_see rather_not id_rather_not_see id_rather_not leave_out sick_and_tired_of can_do_without keep_out",
        ),
        (
            Cue::Keep,
            "keep show allow want wanna like love enjoy prefer interested_in fan_of a_fan_of into_my care_about \
            care_for yes_to more_of ok_with okay_with fine_with cool_with happy_with good_with okay_to ok_to fine_to favor favour adore cant_get_enough_of cannot_get_enough_of include leave welcome \
            permit need give follow display bring_back unhide unblock unmute",
        ),
        (Cue::HideIfNegated, "hiding blocking muting filtering removing hides"),
        (
            Cue::KeepIfNegated,
            "showing keeping sending pushing recommending recommend suggest suggesting shown shows into \
            push send care",
        ),
        (
            Cue::Not,
            "not no dont do_not doesnt didnt never stop cant cannot wont isnt arent no_more none quit",
        ),
        (
            Cue::Except,
            "except except_for except_if except_when unless other_than apart_from aside_from but_not and_not \
            excluding instead_of rather_than besides with_the_exception_of as_long_as_its_not excepting save_for excepted exempting barring bar_for the_exception_is the_exception_being exception exceptions with_exception_of the_only_exception_is not_counting not_including outside_of",
        ),
        (Cue::Only, "only nothing_but solely exclusively nothing_except none_but"),
        (
            Cue::Universal,
            "everything anything all every everyone whatever any_posts all_posts anyone",
        ),
        (Cue::But, "but however though although yet"),
        (Cue::And, "and or nor plus as_well_as und oder et ou nem ni"),
        (
            Cue::Relative,
            "about that which who regarding concerning related_to relating_to involving containing where \
            featuring mentioning",
        ),
        (Cue::Subject, "i im ive we he she theyre they"),
        (
            Cue::Aside,
            "because since cause cuz coz due_to when while until if makes make bother bothers give gives",
        ),
        (
            Cue::Like,
            "i_like i_love i_enjoy i_do_like i_like_those i_love_those i_do_want i_want i_still_want i_still_like i_watch i_follow i_read",
        ),
        (Cue::OnlyIf, "only_if only_when only_unless"),
        (
            Cue::Good,
            "good great cool alright interesting interests_me interest_me is_an_exception are_an_exception are_exceptions are_the_exceptions i_can_handle i_can_take gets_a_pass get_a_pass doesnt_count dont_count is_useful are_useful is_helpful are_helpful is_lovely are_lovely is_nice are_nice is_funny are_funny is_hilarious are_hilarious is_interesting are_interesting is_amazing are_amazing is_brilliant are_brilliant",
        ),
        (Cue::NothingElse, "nothing_else and_nothing_else thats_all thats_it"),
        (
            Cue::TrailingHide,
            "can_go can_go_away must_go has_to_go have_to_go can_do_one",
        ),
        (Cue::Just, "just"),
        (Cue::Copula, "is are was were"),
        (
            Cue::TrailingKeep,
            "is_fine are_fine is_ok are_ok is_okay are_okay is_welcome are_welcome is_good are_good \
            is_allowed are_allowed is_great are_great can_stay may_stay should_stay are_always_welcome is_cool \
            are_cool are_still_fine is_still_fine are_alright is_alright ok fine okay welcome is_always_welcome are_very_welcome is_very_welcome are_still_welcome are_still_ok is_still_ok all_good totally_fine fine_by_me ok_by_me is_exempt are_exempt is_the_exception are_the_exception stays is_still_okay are_still_okay is_still_good are_still_good is_alright_though are_tolerated still_welcome excepted stay_in stays_in can_come are_ok_though is_ok_though keep_it keep_them keep_those keep_that leave_it leave_them leave_those show_it show_them show_those leave_in",
        ),
    ],
    stop: "actually a an the of for to in on at by with from my me your our their his her its this that these those and or is are \
           be been some any all about it i you we they post posts content stuff thing things tweet tweets article \
           articles pic pics picture pictures photo photos video videos clip clips talk talking discussion discussions \
           mention mentions related kind kinds sort type story stories update updates people someone everyone \
           who which what how when where why so very too much many really just as up out over into more most other \
           please also anything everything something while not stories account accounts person users user topic topics \
           material message messages hype though instead recently lately anymore feed timeline rn atm pls plz thanks each other tho lol btw",
};
