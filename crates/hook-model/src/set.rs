//! The hooks of a container, by phase.

use crate::hook::Hook;
use hook_tree::Phase;

/// Ordered lists of hooks, one for each phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookSet {
    lists: [Vec<Hook>; Phase::ALL.len()],
}

impl HookSet {
    /// The hooks of a phase in the order in which they run.
    pub fn get(&self, phase: Phase) -> &[Hook] {
        &self.lists[phase as usize]
    }

    /// Appends a hook to a phase.
    pub fn push(&mut self, phase: Phase, hook: Hook) {
        self.lists[phase as usize].push(hook);
    }

    /// The hooks of all phases, with the index (from 1) within the phase.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, usize, &Hook)> {
        Phase::ALL.into_iter().flat_map(|phase| {
            self.get(phase)
                .iter()
                .enumerate()
                .map(move |(i, hook)| (phase, i + 1, hook))
        })
    }

    /// How many hooks there are in all phases.
    pub fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }

    /// Whether no phase has a hook.
    pub fn is_empty(&self) -> bool {
        self.lists.iter().all(Vec::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_its_list() {
        let mut set = HookSet::default();
        for phase in Phase::ALL.into_iter().rev() {
            assert!(set.get(phase).is_empty());
            set.push(phase, Hook::new(format!("/{}", phase.dir_name())));
            set.push(phase, Hook::new("/second"));
        }
        let seen: Vec<_> = set
            .iter()
            .map(|(phase, n, hook)| (phase, n, hook.path.to_str().unwrap()))
            .collect();
        assert_eq!(seen.len(), set.len());
        assert_eq!(seen[0], (Phase::Prestart, 1, "/prestart"));
        assert_eq!(seen[1], (Phase::Prestart, 2, "/second"));
        assert_eq!(seen[11], (Phase::Poststop, 2, "/second"));
    }
}
