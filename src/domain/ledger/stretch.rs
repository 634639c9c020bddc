//! Stretches of a log that were read by walks which did not come to their end.
//!
//! A walk through a log may take minutes, and a process may be restarted before. What it has
//! compared is remembered as a stretch, so that the next walk begins with what is newer, leaves the
//! stretch out, and continues at its bottom.

use super::compare::Sight;

/// Shorter stretches are not worth a record: to read them again costs no more than to look for
/// their end.
const COUNT_MIN: u64 = 200;
/// Most stretches of a log. Beyond, the oldest is read again.
const STRETCHES_MAX: usize = 8;
/// Pages in which the bottom of a stretch is looked for: entries that are logged meanwhile push it
/// to later ones.
const PAGES_MAX: u32 = 10;

/// A part of a log in which all is compared and nothing is missing, from one attempt down to
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The provider's id of its first attempt, the newest.
    pub top: u64,
    /// That of its last one.
    pub bottom: u64,
    /// How many entries it has, with both of them.
    pub count: u64,
    /// The cursor of the page with the last one, when that was read.
    pub page: String,
    /// What the walk saw that began it.
    pub sight: Sight,
    /// Some entries could not be read.
    pub is_unsure: bool,
}

/// What a walk has read without a hole, from its first attempt on.
#[derive(Clone, Copy, Debug)]
struct Read {
    top: u64,
    bottom: u64,
    count: u64,
}

/// Where a walk has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the next page.
    Next,
    /// To the bottom of this stretch, before which so many entries are listed now.
    Jump(Stretch, u64),
    /// The bottom of a stretch is not where it should be: all is to be read.
    Lost,
}

/// How far a walk has come, and what earlier ones have read.
#[derive(Debug)]
pub struct Progress {
    read: Option<Read>,
    /// The newest first.
    known: Vec<Stretch>,
    /// The stretch whose bottom is looked for, and in how many more pages.
    sought: Option<(Stretch, u32)>,
}

impl Progress {
    /// A walk that begins now; these stretches were read before, the newest first.
    pub const fn new(known: Vec<Stretch>) -> Self {
        Self {
            read: None,
            known,
            sought: None,
        }
    }

    /// Takes a page whose attempts are compared, and its number of entries that could not be read.
    /// `is_last`: no other page has to be read after it.
    pub fn pass(&mut self, attempts: &[u64], unreadable: u64, is_last: bool) -> Step {
        let mut rest = attempts;
        if let Some((sought, pages)) = self.sought.take() {
            let Some(found) = attempts.iter().position(|it| *it == sought.bottom) else {
                if is_last || pages == 0 {
                    return Step::Lost;
                }
                self.sought = Some((sought, pages - 1));
                return Step::Next;
            };
            if let Some(read) = &mut self.read {
                read.bottom = sought.bottom;
                // Its first attempt is counted.
                read.count += sought.count.saturating_sub(1);
            }
            rest = &attempts[found + 1..];
        }
        for attempt in rest {
            self.take(*attempt);
            let met = self.known.iter().position(|it| it.top == *attempt);
            if let Some(met) = met.filter(|_| !is_last) {
                // What lies above it was not met: it is read now.
                let stretch = self.known.drain(..=met).next_back();
                return self.jump(stretch.expect("it was met"));
            }
        }
        if let Some(read) = &mut self.read {
            read.count += unreadable;
        }
        Step::Next
    }

    /// A page repeats attempts that later ones pushed down: each counts once.
    fn take(&mut self, attempt: u64) {
        match &mut self.read {
            Some(read) if attempt >= read.bottom => {}
            Some(read) => {
                read.bottom = attempt;
                read.count += 1;
            }
            None => {
                self.read = Some(Read {
                    top: attempt,
                    bottom: attempt,
                    count: 1,
                });
            }
        }
    }

    fn jump(&mut self, stretch: Stretch) -> Step {
        let above = self.read.map_or(0, |read| read.count);
        // Both count the first attempt, and the last one is not before itself.
        let before = (above + stretch.count).saturating_sub(2);
        self.sought = Some((stretch.clone(), PAGES_MAX));
        Step::Jump(stretch, before)
    }

    /// The stretches to remember after a page with this cursor, if they are worth it.
    pub fn stretches(&self, page: &str, sight: Sight, is_unsure: bool) -> Option<Vec<Stretch>> {
        let is_whole = self.sought.is_none();
        let read = self.read.filter(|it| is_whole && it.count >= COUNT_MIN)?;
        let own = Stretch {
            top: read.top,
            bottom: read.bottom,
            count: read.count,
            page: page.to_owned(),
            sight,
            is_unsure,
        };
        let all = [own].into_iter().chain(self.known.iter().cloned());
        Some(all.take(STRETCHES_MAX).collect())
    }
}

#[cfg(test)]
mod tests;
