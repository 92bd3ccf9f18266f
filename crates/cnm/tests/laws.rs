//! What holds for every model, every kernel and every failure.

#[path = "laws/model.rs"]
mod model;

use cnm::{
    apply::{apply, reconcile},
    fake::{Failure, FakeKernel},
    plan::{Op, plan},
    state::{Key, Scope, State, kernel_state, kernel_state_of},
};
use model::{Plot, delta, link, plot};
use proptest::prelude::*;

/// What is there without the settings that are kept.
fn without_kept(state: &State) -> State {
    let mut state = state.clone();
    state.retain(|key, _| !key.is_kept());
    state
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::BeforeEffect),
        Just(Failure::AfterEffect),
        (0..3usize).prop_map(Failure::Within)
    ]
}

/// A kernel at a state of which some objects were lost.
fn damaged(state: &State, losses: &[prop::sample::Index]) -> FakeKernel {
    let mut kernel = FakeKernel::holding(state.clone());
    for loss in losses {
        let keys: Vec<_> = kernel.objects().keys().cloned().collect();
        if !keys.is_empty() {
            kernel.lose(loss.get(&keys));
        }
    }
    kernel
}

fn losses() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_change_reaches_its_goal(a in plot(), b in plot()) {
        let (from, to) = (kernel_state(&a.model()), kernel_state(&b.model()));
        let mut kernel = FakeKernel::holding(from.clone());
        prop_assert_eq!(apply(&mut kernel, &from, &to), Ok(()));
        prop_assert_eq!(without_kept(kernel.objects()), without_kept(&to));
    }

    #[test]
    fn reconciling_reaches_the_goal_from_any_state_and_rests(a in plot(), b in plot(), losses in losses()) {
        let to = kernel_state(&b.model());
        let mut kernel = damaged(&kernel_state(&a.model()), &losses);
        prop_assert!(reconcile(&mut kernel, &to).is_ok());
        prop_assert_eq!(without_kept(kernel.objects()), without_kept(&to));
        prop_assert_eq!(reconcile(&mut kernel, &to), Ok(0));
    }

    #[test]
    fn a_failed_change_leaves_no_trace(
        a in plot(), b in plot(), at in 1usize..40, failure in failure(),
    ) {
        let (from, to) = (kernel_state(&a.model()), kernel_state(&b.model()));
        let mut kernel = FakeKernel::holding(from.clone());
        kernel.fail_at(at, failure);
        match apply(&mut kernel, &from, &to) {
            Ok(()) => prop_assert!(plan(&from, &to).steps.len() < at),
            Err(failed) => {
                prop_assert_eq!(&failed.left_behind, &vec![]);
                prop_assert_eq!(without_kept(kernel.objects()), without_kept(&from));
            }
        }
    }

    #[test]
    fn removing_all_leaves_nothing(a in plot()) {
        let state = kernel_state(&a.model());
        let mut kernel = FakeKernel::holding(state.clone());
        prop_assert_eq!(apply(&mut kernel, &state, &State::new()), Ok(()));
        prop_assert_eq!(without_kept(kernel.objects()), State::new());
    }

    #[test]
    fn strangers_are_never_touched(a in plot(), b in plot(), busy in 1000u16..1010) {
        let (from, to) = (kernel_state(&a.model()), kernel_state(&b.model()));
        let mut kernel = FakeKernel::holding(from.clone());
        let bridge = Key::Bridge(link(0));
        if !from.contains_key(&bridge) {
            kernel.add_stranger_link(link(0));
        }
        kernel.bind_stranger_port(cnm::Proto::Tcp, [127, 0, 0, 1].into(), busy);
        let before = (kernel.strangers().0.clone(), kernel.strangers().1.clone());
        let result = apply(&mut kernel, &from, &to);
        prop_assert_eq!((kernel.strangers().0, kernel.strangers().1), (&before.0, &before.1));
        let in_the_way = to.contains_key(&bridge) && !from.contains_key(&bridge);
        prop_assert!(result.is_err() || !in_the_way);
        let now = if result.is_ok() { to } else { from };
        if let Err(failed) = result.as_ref() {
            // A port of ours that a stranger took cannot be bound again.
            let ports = failed.left_behind.iter().all(|left| matches!(left.key(), Some(Key::Port { .. })));
            prop_assert!(ports);
        }
        if result.as_ref().err().is_none_or(|failed| failed.left_behind.is_empty()) {
            prop_assert_eq!(without_kept(kernel.objects()), without_kept(&now));
        }
    }

    #[test]
    fn scopes_are_the_parts_of_the_whole(a in plot()) {
        let model = a.model();
        let all = Scope::all(&model);
        let networks = all.networks.iter().map(|id| Scope { networks: [*id].into(), ..Scope::default() });
        let sandboxes = all.sandboxes.iter().map(|id| Scope { sandboxes: [*id].into(), ..Scope::default() });
        let parts = networks.chain(sandboxes).map(|scope| kernel_state_of(&model, &scope));
        let union = parts.fold(State::new(), |mut union, part| {
            union.extend(part);
            union
        });
        prop_assert_eq!(union, kernel_state(&model));
    }

    #[test]
    fn a_change_changes_nothing_outside_of_its_scope(a in plot(), b in plot(), which in any::<usize>()) {
        let (before, after) = (a.model(), a.with_one_of(&b, which).model());
        let scope = Scope::of(&delta(&before, &after), &before, &after);
        let (from, to) = (kernel_state_of(&before, &scope), kernel_state_of(&after, &scope));
        let mut kernel = FakeKernel::holding(kernel_state(&before));
        prop_assert_eq!(apply(&mut kernel, &from, &to), Ok(()));
        prop_assert_eq!(without_kept(kernel.objects()), without_kept(&kernel_state(&after)));
    }

    #[test]
    fn a_failed_change_touches_nothing_outside_of_its_scope(
        a in plot(), b in plot(), which in any::<usize>(), at in 1usize..12, failure in failure(),
    ) {
        let (before, after) = (a.model(), a.with_one_of(&b, which).model());
        let scope = Scope::of(&delta(&before, &after), &before, &after);
        let (from, to) = (kernel_state_of(&before, &scope), kernel_state_of(&after, &scope));
        let mut kernel = FakeKernel::holding(kernel_state(&before));
        kernel.fail_at(at, failure);
        let now = if apply(&mut kernel, &from, &to).is_ok() { &after } else { &before };
        prop_assert_eq!(without_kept(kernel.objects()), without_kept(&kernel_state(now)));
    }

    #[test]
    fn the_plan_of_a_scope_is_that_of_the_whole(a in plot(), b in plot(), which in any::<usize>()) {
        let (before, after) = (a.model(), a.with_one_of(&b, which).model());
        let scope = Scope::of(&delta(&before, &after), &before, &after);
        let part = plan(&kernel_state_of(&before, &scope), &kernel_state_of(&after, &scope));
        let whole = plan(&kernel_state(&before), &kernel_state(&after));
        // A setting that is needed already may be set again.
        let new = |op: &&Op| !op.key().is_kept();
        prop_assert_eq!(part.ops().filter(new).collect::<Vec<_>>(), whole.ops().filter(new).collect::<Vec<_>>());
    }

    #[test]
    fn no_change_is_no_step(a in plot()) {
        let state = kernel_state(&a.model());
        prop_assert!(plan(&state, &state).is_empty());
    }
}

/// The plots themselves are models.
#[test]
fn models_are_consistent() {
    proptest!(|(a in plot())| prop_assert!(Plot::model(&a).is_consistent()));
}
