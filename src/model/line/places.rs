//! A compact mirror of one sale's line: a bit for each place, so that every gateway can tell every
//! shopper's position from memory.
//!
//! A million places are 125 kB of bits and 8 kB of counts. `lua/survey.lua` says what changed.

use std::collections::BTreeMap;

use crate::model::ids::Seq;

/// Bits in a word, words in a block, blocks in a group: a position is one sum over groups, at most 64 blocks and
/// at most 8 words. Every join and every place that is told asks for one, so a sum over all blocks of a long
/// line would be most of what either costs.
const WORD: u64 = 64;
const BLOCK_WORDS: usize = 8;
const GROUP_BLOCKS: usize = 64;

/// Most places from the first to the last that is kept of one epoch, 128 MB of bits. A line of the longest
/// kind turns over a hundred times within it while one person waits. A number further away was written
/// by hand or by mistake: it is left to the auditor, for it would take all memory to mirror it.
const MOST_SPAN: u64 = 1 << 30;

/// One epoch's counters. Those up to `first` are all gone and not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Segment {
    first: u64,
    words: Vec<u64>,
    /// Waiting places in each block, in each group of blocks, and in all.
    blocks: Vec<u32>,
    groups: Vec<u32>,
    waiting: u64,
}

impl Segment {
    fn locate(&self, counter: u64) -> Option<(usize, u64)> {
        let offset = counter.checked_sub(self.first)?;
        Some((usize::try_from(offset / WORD).ok()?, 1 << (offset % WORD)))
    }

    /// The first counter after those that are kept.
    fn end(&self) -> u64 {
        self.first + self.words.len() as u64 * WORD
    }

    fn is_set(&self, counter: u64) -> bool {
        self.locate(counter)
            .is_some_and(|(word, bit)| self.words.get(word).is_some_and(|w| w & bit != 0))
    }

    /// Sets or clears one place; says whether that changed it.
    fn put(&mut self, counter: u64, waiting: bool) -> bool {
        if self.words.is_empty() {
            self.first = counter - counter % WORD;
        }
        if counter < self.first && waiting && self.end() - counter <= MOST_SPAN {
            self.grow_down(counter);
        }
        let Some((word, bit)) = self.locate(counter) else { return false };
        if counter - self.first >= MOST_SPAN {
            return false;
        }
        if word >= self.words.len() {
            if !waiting {
                return false;
            }
            self.words.resize(word + 1, 0);
            self.blocks.resize(word / BLOCK_WORDS + 1, 0);
            self.groups.resize(word / BLOCK_WORDS / GROUP_BLOCKS + 1, 0);
        }
        if (self.words[word] & bit != 0) == waiting {
            return false;
        }
        self.words[word] ^= bit;
        let block = word / BLOCK_WORDS;
        for count in [&mut self.blocks[block], &mut self.groups[block / GROUP_BLOCKS]] {
            *count = if waiting { *count + 1 } else { *count - 1 };
        }
        self.waiting = if waiting { self.waiting + 1 } else { self.waiting - 1 };
        true
    }

    /// Makes room for a place below the first one kept: somebody came back from the front.
    fn grow_down(&mut self, counter: u64) {
        let first = counter - counter % WORD;
        let more = usize::try_from((self.first - first) / WORD).unwrap_or(0);
        self.words.splice(0..0, std::iter::repeat_n(0, more));
        self.first = first;
        self.recount();
    }

    /// Nobody up to here waits any more.
    fn clear_upto(&mut self, counter: u64) {
        let Some((word, bit)) = self.locate(counter) else { return };
        let whole = word.min(self.words.len());
        self.words[..whole].fill(0);
        if let Some(last) = self.words.get_mut(word) {
            *last &= !(bit | (bit - 1));
        }
        let block = whole / BLOCK_WORDS;
        self.blocks[..block].fill(0);
        if let Some(count) = self.blocks.get_mut(block) {
            let words = self.words[block * BLOCK_WORDS..].iter().take(BLOCK_WORDS);
            *count = words.map(|word| word.count_ones()).sum();
        }
        self.regroup();
    }

    fn recount(&mut self) {
        self.blocks = self
            .words
            .chunks(BLOCK_WORDS)
            .map(|b| b.iter().map(|w| w.count_ones()).sum())
            .collect();
        self.regroup();
    }

    /// Adds the blocks up again.
    fn regroup(&mut self) {
        self.groups = self.blocks.chunks(GROUP_BLOCKS).map(|group| group.iter().sum()).collect();
        self.waiting = sum(&self.groups);
    }

    fn before(&self, counter: u64) -> u64 {
        let Some((word, bit)) = self.locate(counter) else { return 0 };
        let word = word.min(self.words.len());
        let block = word / BLOCK_WORDS;
        let group = block / GROUP_BLOCKS;
        let full = sum(&self.groups[..group]) + sum(&self.blocks[group * GROUP_BLOCKS..block]);
        let words = &self.words[block * BLOCK_WORDS..word];
        let part: u32 = words.iter().map(|w| w.count_ones()).sum();
        let last = self.words.get(word).map_or(0, |w| (w & (bit - 1)).count_ones());
        full + u64::from(part) + u64::from(last)
    }

    /// The place with so many in front of it.
    fn nth(&self, mut rank: u64) -> Option<u64> {
        let mut group = 0;
        while let Some(waiting) = self.groups.get(group).filter(|n| u64::from(**n) <= rank) {
            rank -= u64::from(*waiting);
            group += 1;
        }
        let mut block = group * GROUP_BLOCKS;
        while let Some(waiting) = self.blocks.get(block).filter(|n| u64::from(**n) <= rank) {
            rank -= u64::from(*waiting);
            block += 1;
        }
        for (index, word) in self.words.iter().enumerate().skip(block * BLOCK_WORDS) {
            let waiting = u64::from(word.count_ones());
            if rank < waiting {
                let mut left = *word;
                for _ in 0..rank {
                    left &= left - 1;
                }
                let bit = u64::from(left.trailing_zeros());
                return Some(self.first + index as u64 * WORD + bit);
            }
            rank -= waiting;
        }
        None
    }

    /// Forgets whole blocks at the front that nobody waits in.
    fn trim(&mut self) {
        let empty = self.blocks.iter().take_while(|n| **n == 0).count();
        let words = (empty * BLOCK_WORDS).min(self.words.len());
        self.words.drain(..words);
        self.blocks.drain(..empty);
        self.first += words as u64 * WORD;
        if empty > 0 {
            self.regroup();
        }
    }
}

fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|n| u64::from(*n)).sum()
}

/// Who waits in one sale, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    segments: BTreeMap<i32, Segment>,
}

impl Places {
    /// What it takes up on the heap.
    pub fn bytes(&self) -> usize {
        let segment = |s: &Segment| {
            size_of_val(s)
                + s.words.capacity() * 8
                + (s.blocks.capacity() + s.groups.capacity()) * 4
        };
        self.segments.values().map(segment).sum()
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.segments.values().map(|segment| segment.waiting).sum()
    }

    pub fn is_waiting(&self, seq: Seq) -> bool {
        self.segments.get(&seq.epoch()).is_some_and(|s| s.is_set(seq.counter()))
    }

    /// How many wait in front of `seq`, whether it waits itself or not.
    pub fn before(&self, seq: Seq) -> u64 {
        let earlier: u64 = self.segments.range(..seq.epoch()).map(|(_, s)| s.waiting).sum();
        earlier + self.segments.get(&seq.epoch()).map_or(0, |s| s.before(seq.counter()))
    }

    /// Who has so many in front.
    pub fn nth(&self, mut rank: u64) -> Option<Seq> {
        for (epoch, segment) in &self.segments {
            let waiting = segment.waiting;
            if rank < waiting {
                return segment.nth(rank).map(|counter| Seq::new(*epoch, counter));
            }
            rank -= waiting;
        }
        None
    }

    pub fn add(&mut self, seq: Seq) {
        self.segments.entry(seq.epoch()).or_default().put(seq.counter(), true);
    }

    /// Everyone whom the counter of `epoch` passed in going from `from` to `to` is in line.
    pub fn add_range(&mut self, epoch: i32, from: u64, to: u64) {
        let segment = self.segments.entry(epoch).or_default();
        for counter in from + 1..=to {
            segment.put(counter, true);
        }
    }

    pub fn remove(&mut self, seq: Seq) {
        if let Some(segment) = self.segments.get_mut(&seq.epoch()) {
            segment.put(seq.counter(), false);
        }
    }

    /// Everyone up to `seq` is gone.
    pub fn remove_upto(&mut self, seq: Seq) {
        self.segments.retain(|epoch, _| *epoch >= seq.epoch());
        if let Some(segment) = self.segments.get_mut(&seq.epoch()) {
            segment.clear_upto(seq.counter());
        }
    }

    /// Forgets the empty front; positions stay the same.
    pub fn trim(&mut self) {
        self.segments.values_mut().for_each(Segment::trim);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Add(i32, u64),
        AddRange(i32, u64, u64),
        Remove(i32, u64),
        RemoveUpto(i32, u64),
        Trim,
    }

    fn step() -> impl Strategy<Value = Step> {
        // Mostly close together, and sometimes further apart than a group of blocks is long.
        let counter = prop_oneof![3 => 1..3_000u64, 1 => 1..120_000u64];
        prop_oneof![
            4 => (1..4, counter.clone()).prop_map(|(e, c)| Step::Add(e, c)),
            2 => (1..4, counter.clone(), 0..400u64).prop_map(|(e, c, n)| Step::AddRange(e, c, c + n)),
            4 => (1..4, counter.clone()).prop_map(|(e, c)| Step::Remove(e, c)),
            1 => (1..4, counter).prop_map(|(e, c)| Step::RemoveUpto(e, c)),
            1 => Just(Step::Trim),
        ]
    }

    #[test]
    fn a_million_who_wait_take_less_than_two_bytes_each() {
        let mut line = Places::default();
        line.add_range(1, 0, 1_000_000);
        assert_eq!(line.waiting(), 1_000_000);
        assert!((100_000..2_000_000).contains(&line.bytes()), "{}", line.bytes());
    }

    #[test]
    fn a_number_out_of_all_bounds_is_not_mirrored_and_moves_nobody() {
        let mut places = Places::default();
        places.add(Seq::new(1, 70));
        let far = [Seq::new(1, 70 + MOST_SPAN), Seq::new(1, (1 << 40) - 1)];
        for seq in far {
            places.add(seq);
            places.remove(seq);
            places.add(seq);
            assert!(!places.is_waiting(seq));
            assert_eq!((places.waiting(), places.before(seq)), (1, 1));
        }
        let mut places = Places::default();
        places.add(far[1]);
        places.add(Seq::new(1, 70));
        assert_eq!((places.waiting(), places.before(far[1])), (1, 0));
        places.remove_upto(Seq(i64::MAX));
        places.remove_upto(far[1]);
        assert_eq!(places.waiting(), 0);
        places.add(Seq(-1));
        places.add(Seq(i64::MIN));
        assert_eq!(places.before(Seq::new(1, 1)), 2);
    }

    proptest! {
        #[test]
        fn the_mirror_agrees_with_a_plain_sorted_set(steps in proptest::collection::vec(step(), 1..80)) {
            let (mut places, mut model) = (Places::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Add(e, c) => {
                        places.add(Seq::new(e, c));
                        model.insert(Seq::new(e, c));
                    }
                    Step::AddRange(e, from, to) => {
                        places.add_range(e, from, to);
                        model.extend((from + 1..=to).map(|c| Seq::new(e, c)));
                    }
                    Step::Remove(e, c) => {
                        places.remove(Seq::new(e, c));
                        model.remove(&Seq::new(e, c));
                    }
                    Step::RemoveUpto(e, c) => {
                        places.remove_upto(Seq::new(e, c));
                        model.retain(|s| *s > Seq::new(e, c));
                    }
                    Step::Trim => places.trim(),
                }
                prop_assert_eq!(places.waiting(), model.len() as u64);
                for rank in [0, 1, 63, 700, model.len() / 2, model.len().saturating_sub(1), model.len()] {
                    prop_assert_eq!(places.nth(rank as u64), model.iter().nth(rank).copied());
                }
                for probe in [
                    Seq::new(1, 1),
                    Seq::new(1, 1_500),
                    Seq::new(1, 60_000),
                    Seq::new(2, 64),
                    Seq::new(2, 32_768),
                    Seq::new(3, 4_000),
                    Seq::new(3, 110_000),
                ] {
                    prop_assert_eq!(places.before(probe), model.range(..probe).count() as u64);
                    prop_assert_eq!(places.is_waiting(probe), model.contains(&probe));
                }
            }
        }
    }
}
