use super::*;
use proptest::prelude::*;

const TARGET: Duration = Duration::from_secs(1);

fn tests(durations: &[(&str, Option<u64>)]) -> BTreeMap<String, Option<Duration>> {
    let test =
        |(name, ms): &(&str, Option<u64>)| ((*name).to_owned(), ms.map(Duration::from_millis));
    durations.iter().map(test).collect()
}

fn numbered(count: usize, ms: Option<u64>) -> BTreeMap<String, Option<Duration>> {
    let test = |number| (format!("test_{number:05}"), ms.map(Duration::from_millis));
    (0..count).map(test).collect()
}

#[test]
fn two_thousand_tests_of_a_millisecond_are_ten_batches() {
    let batches = divide(&numbered(2000, Some(1)), &Vec::new(), TARGET);
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [250, 250, 250, 250, 250, 250, 125, 125, 125, 125]);
}

#[test]
fn the_last_batches_are_smaller_and_hold_the_shortest_tests() {
    let mut tests = numbered(20, Some(297));
    tests.extend((0..30).map(|number| {
        let short = Some(Duration::from_millis(97));
        (format!("short_{number:02}"), short)
    }));
    let batches = divide(&tests, &Vec::new(), TARGET);
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 4, 4, 4, 4, 4, 6, 5, 5, 5, 5]);
    let last = batches[7..].iter().flatten();
    assert!(last.into_iter().all(|name| name.starts_with("short")));
}

#[test]
fn a_long_test_is_alone_and_first() {
    let tests = tests(&[("a", Some(10)), ("long", Some(3000)), ("z", Some(20))]);
    let batches = divide(&tests, &Vec::new(), TARGET);
    assert_eq!(batches, [vec!["long"], vec!["z", "a"]]);
}

#[test]
fn tests_without_known_durations_are_in_small_batches() {
    let batches = divide(&numbered(20, None), &Vec::new(), TARGET);
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [8, 8, 4]);
}

#[test]
fn a_new_test_counts_as_the_median_of_the_others() {
    let mut tests = numbered(100, Some(1));
    tests.insert("new".to_owned(), None);
    assert_eq!(divide(&tests, &Vec::new(), TARGET).len(), 1);
}

#[test]
fn a_partition_made_without_durations_is_replaced_if_the_tests_are_short() {
    let first = divide(&numbered(200, None), &Vec::new(), TARGET);
    assert_eq!(first.len(), 27);
    let second = divide(&numbered(200, Some(1)), &first, TARGET);
    assert_eq!(second.len(), 1);
}

#[test]
fn a_batch_that_turns_out_too_long_is_divided() {
    let tests_before = numbered(10, Some(90));
    let first = divide(&tests_before, &Vec::new(), TARGET);
    assert_eq!(first.len(), 1);
    let longer = numbered(10, Some(300));
    assert_eq!(divide(&longer, &first, TARGET).len(), 4);
}

#[test]
fn small_changes_of_durations_do_not_change_the_batches() {
    let first = divide(&numbered(100, Some(50)), &Vec::new(), TARGET);
    let mut wandered = numbered(100, Some(40));
    wandered.insert("test_00007".to_owned(), Some(Duration::from_millis(130)));
    let as_sets =
        |partition: &Partition| -> BTreeSet<Vec<String>> { partition.iter().cloned().collect() };
    let second = divide(&wandered, &first, TARGET);
    assert_eq!(as_sets(&first), as_sets(&second));
}

#[test]
fn the_selected_tests_of_a_binary_stay_in_their_batches() {
    let all = numbered(60, Some(50));
    let kept = divide(&all, &Vec::new(), TARGET);
    let mut selected = all.clone();
    selected.retain(|name, _| name.ends_with('3'));
    let batches = divide(&selected, &kept, TARGET * 10);
    for batch in batches {
        assert!(batch.iter().all(|name| selected.contains_key(name)));
    }
}

fn any_tests() -> impl Strategy<Value = BTreeMap<String, Option<Duration>>> {
    let duration = prop::option::of((0u64..3000).prop_map(Duration::from_millis));
    prop::collection::btree_map("[a-e]{1,3}", duration, 0..60)
}

proptest! {
    #[test]
    fn every_test_is_in_exactly_one_batch(
        tests in any_tests(),
        others in any_tests(),
        milliseconds in 0u64..3000,
    ) {
        let target = Duration::from_millis(milliseconds);
        let kept = divide(&others, &Vec::new(), target);
        let batches = divide(&tests, &kept, target);
        let mut names: Vec<_> = batches.iter().flatten().collect();
        names.sort_unstable();
        prop_assert!(names.iter().copied().eq(tests.keys()));
        prop_assert!(batches.iter().all(|batch| !batch.is_empty()));
    }

    #[test]
    fn what_was_made_is_kept_as_it_is(tests in any_tests()) {
        let first = divide(&tests, &Vec::new(), TARGET);
        prop_assert_eq!(divide(&tests, &first, TARGET), first);
    }

    #[test]
    fn no_batch_of_several_is_longer_than_twice_the_target(
        tests in any_tests(),
        others in any_tests(),
    ) {
        let kept = divide(&others, &Vec::new(), TARGET);
        let costs = costs(&tests, TARGET);
        for batch in divide(&tests, &kept, TARGET) {
            prop_assert!(batch.len() == 1 || total(&batch, &costs) <= TARGET * FAR);
        }
    }

    #[test]
    fn batches_come_longest_first(tests in any_tests()) {
        let costs = costs(&tests, TARGET);
        let batches = divide(&tests, &Vec::new(), TARGET);
        let totals: Vec<_> = batches.iter().map(|batch| total(batch, &costs)).collect();
        prop_assert!(totals.is_sorted_by(|a, b| a >= b));
    }
}
