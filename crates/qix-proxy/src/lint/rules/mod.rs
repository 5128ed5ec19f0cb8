//! The rules, by what they are about.

mod aborted;
mod connections;
mod failures;
mod fetches;
mod leaked;
mod pages;
mod progress;
mod reopened;
mod same_again;
mod secrets;
mod selections;
mod serial;
mod sessions;
mod sizes;

use super::{Rule, check::Check};

type Start = fn() -> Box<dyn Check>;

fn start<C: Check + Default + 'static>() -> Box<dyn Check> {
    Box::new(C::default())
}

/// All rules, those of one idea beside each other, and how they start.
pub(super) const ALL: &[(&Rule, Start)] = &[
    (&secrets::RULE, start::<secrets::Secrets>),
    (&leaked::RULE, start::<leaked::Leaked>),
    (&reopened::RULE, start::<reopened::Reopened>),
    (&fetches::WITHOUT_CHANGE, start::<fetches::WithoutChange>),
    (&same_again::RULE, start::<same_again::SameAgain>),
    (&fetches::DELTA_OFF, start::<fetches::DeltaOff>),
    (&pages::LARGE, start::<pages::LargePages>),
    (&pages::TINY, start::<pages::TinyPages>),
    (&sizes::RULE, start::<sizes::HugeFrames>),
    (&serial::RULE, start::<serial::Serial>),
    (&progress::RULE, start::<progress::Hammering>),
    (&selections::RULE, start::<selections::Storms>),
    (&aborted::RULE, start::<aborted::NotRetried>),
    (&failures::RULE, start::<failures::Repeated>),
    (&connections::AFTER_END, start::<connections::AfterEnd>),
    (&connections::LEFT_OPEN, start::<connections::LeftOpen>),
    (&sessions::RULE, start::<sessions::TooMany>),
];
