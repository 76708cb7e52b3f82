//! The mirror of a line against a plain sorted set, driven by bytes: the same people wait, at the same
//! places, whatever happens in whatever order. Numbers that no line can have leave it standing.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::model::{Places, Seq};

#[derive(Debug, Arbitrary)]
enum Step {
    Add(u8, u16),
    AddRange(u8, u16, u8),
    Remove(u8, u16),
    RemoveUpto(u8, u16),
    Trim,
    /// Somebody with a number that was never handed out.
    Stray(i64),
    StrayGone(i64),
    StrayUpto(i64),
}

/// Three epochs, so that their order matters.
fn seq(epoch: u8, counter: u16) -> Seq {
    Seq::new(i32::from(epoch % 3) + 1, counter.into())
}

/// A number in an epoch that no sale gets to, so that those above stay where they are.
fn stray(number: i64) -> Seq {
    Seq(number | 1 << 60)
}

/// Each of them may make a mirror of 128 MB, so an input has few.
const MOST_STRAYS: u32 = 4;

fuzz_target!(|steps: Vec<Step>| {
    let (mut places, mut model) = (Places::default(), BTreeSet::new());
    let mut strays = 0;
    for step in steps {
        match step {
            Step::Add(epoch, counter) => {
                places.add(seq(epoch, counter));
                model.insert(seq(epoch, counter));
            }
            Step::AddRange(epoch, from, more) => {
                let to = u64::from(from) + u64::from(more);
                let epoch = seq(epoch, 0).epoch();
                places.add_range(epoch, from.into(), to);
                model.extend((u64::from(from) + 1..=to).map(|n| Seq::new(epoch, n)));
            }
            Step::Remove(epoch, counter) => {
                places.remove(seq(epoch, counter));
                model.remove(&seq(epoch, counter));
            }
            Step::RemoveUpto(epoch, counter) => {
                places.remove_upto(seq(epoch, counter));
                model.retain(|waiting| *waiting > seq(epoch, counter));
            }
            Step::Trim => places.trim(),
            Step::Stray(_) | Step::StrayGone(_) | Step::StrayUpto(_) if strays == MOST_STRAYS => {}
            Step::Stray(number) => {
                strays += 1;
                places.add(stray(number));
                // Too far from the others to be kept, or in line like everybody.
                if places.is_waiting(stray(number)) {
                    model.insert(stray(number));
                }
            }
            Step::StrayGone(number) => {
                strays += 1;
                places.remove(stray(number));
                model.remove(&stray(number));
            }
            Step::StrayUpto(number) => {
                strays += 1;
                places.remove_upto(stray(number));
                model.retain(|waiting| *waiting > stray(number));
            }
        }
        assert_eq!(places.waiting(), model.len() as u64);
        let ends = model.first().into_iter().chain(model.last()).copied();
        for probe in ends.chain([seq(0, 1), seq(1, 64), seq(1, 4095), seq(2, 65_535)]) {
            assert_eq!(places.before(probe), model.range(..probe).count() as u64, "{probe}");
            assert_eq!(places.is_waiting(probe), model.contains(&probe), "{probe}");
        }
    }
});
