"""Which commit is chosen, and how well its time is known, over all histories that Hypothesis thinks of."""

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from lab_utils.staff.collecting.evidence import Known, choose, date_flags, history_flags, known, time_flags
from lab_utils.staff.collecting.ledger import Sighting
from lab_utils.staff.collecting.mirror import Commit

CUTOFF = datetime(2026, 11, 6, 15, 59, tzinfo=timezone.utc)
NOW = CUTOFF + timedelta(days=3)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
moments = st.integers(-100_000, 300_000).map(lambda seconds: CUTOFF + timedelta(seconds=seconds))


def commit(sha="a", committer=CUTOFF, author=None, parents=()):
    return Commit(sha, "tree", tuple(parents), author or committer, committer)


@given(committer=moments, seen=st.none() | moments, pushed=st.none() | moments)
def test_the_best_evidence_counts(committer, seen, pushed):
    found = known(
        commit(committer=committer), {"a": seen} if seen else {}, {"a": pushed} if pushed else {}, CUTOFF, NOW
    )
    first = min(seen or NOW, NOW)
    if seen and seen <= CUTOFF:
        assert found == Known(seen, "seen")
    elif pushed:
        assert found == Known(min(pushed, first), "pushed")
    else:
        assert found == Known(min(committer, first), "claimed")


@given(committer=moments, seen=moments)
def test_nobody_is_later_than_we_saw_the_work(committer, seen):
    assert known(commit(committer=committer), {"a": seen}, {}, CUTOFF, NOW).at <= seen


def test_what_was_seen_in_the_second_of_the_deadline_is_seen_and_one_second_later_it_is_not():
    assert known(commit(), {"a": CUTOFF}, {}, CUTOFF, NOW).evidence == "seen"
    assert known(commit(), {"a": CUTOFF + SECOND}, {}, CUTOFF, NOW).evidence == "claimed"


def test_a_commit_without_a_date_counts_from_when_it_was_seen():
    strange = Commit("a", "tree", (), None, None)
    assert known(strange, {"a": NOW - HOUR}, {}, CUTOFF, NOW) == Known(NOW - HOUR, "claimed")


@given(st.lists(st.tuples(moments, st.booleans()), max_size=12))
def test_of_a_straight_history_the_newest_in_time_is_chosen_else_the_newest_late_one(entries):
    branch = [commit(str(i), moment) for i, (moment, _) in enumerate(entries)]
    works = {str(i) for i, (_, work) in enumerate(entries) if work}

    def when(c):
        return Known(c.committer, "claimed")

    found = choose([branch], lambda c: c.sha in works, when, CUTOFF)
    in_time = [c for c in branch if c.sha in works and c.committer <= CUTOFF]
    late = [c for c in branch if c.sha in works and c.committer > CUTOFF]
    assert found == next(iter(in_time + late), None)


def test_the_branch_as_it_is_comes_before_the_branch_as_it_was():
    late, old = commit("late", CUTOFF + SECOND), commit("old", CUTOFF - HOUR)
    new = commit("new", CUTOFF - 2 * HOUR)

    def when(c):
        return Known(c.committer, "claimed")

    assert choose([[late, new], [old]], lambda c: True, when, CUTOFF) == new
    assert choose([[late], [old]], lambda c: True, when, CUTOFF) == old
    assert choose([[late], []], lambda c: True, when, CUTOFF) == late
    assert choose([[], []], lambda c: True, when, CUTOFF) is None


RELEASE = CUTOFF - timedelta(days=30)
SEEN = dict.fromkeys([*"abclmr", *map(str, range(6))], NOW)


def test_an_ordinary_history_has_no_flags():
    branch = [commit("b", CUTOFF, CUTOFF - HOUR, parents="a"), commit("a", CUTOFF - HOUR)]
    assert date_flags(branch[0], branch, RELEASE, SEEN) == []


def test_only_commits_that_the_graded_one_builds_on_are_looked_at():
    branch = [commit("c", NOW + HOUR, parents="b"), commit("b", parents="a"), commit("a", CUTOFF - HOUR)]
    assert date_flags(branch[1], branch, RELEASE, SEEN) == []
    assert date_flags(branch[0], branch, RELEASE, SEEN) == ["Dated later than it was first seen: commit c."]


def test_a_date_is_held_to_when_the_commit_was_first_seen_with_five_minutes_for_clocks():
    c = commit("a", CUTOFF)
    assert date_flags(c, [c], RELEASE, {"a": CUTOFF - timedelta(minutes=5)}) == []
    assert date_flags(c, [c], RELEASE, {"a": CUTOFF - timedelta(minutes=5, seconds=1)}) != []
    assert date_flags(c, [c], RELEASE, {}) == []


def test_the_commits_of_the_template_may_be_older_than_the_release():
    branch = [commit("b", parents="a"), commit("a", RELEASE - HOUR, RELEASE - 90 * HOUR)]
    assert date_flags(branch[0], branch, RELEASE, SEEN) == []


def test_a_sentence_names_three_commits_and_counts_the_rest():
    line = [commit(str(i), CUTOFF - i * HOUR, parents=[str(i - 1)] if i else []) for i in range(6)]
    flags = date_flags(line[5], line, RELEASE, SEEN)
    assert len(flags) == 1
    assert flags[0].startswith("Dated before the commit that it builds on: commits ")
    assert flags[0].endswith(" and 2 more.")


def test_a_merge_from_a_slow_clock_is_followed_on_both_sides():
    branch = [
        commit("m", CUTOFF, parents=("l", "r")),
        commit("l", CUTOFF - HOUR),
        commit("r", CUTOFF - HOUR, CUTOFF - 3 * 24 * HOUR),
    ]
    assert date_flags(branch[0], branch, RELEASE, SEEN) == [
        "Author and committer date are more than a day apart: commit r."
    ]


def test_a_fetch_missed_the_commit_only_if_it_came_after_the_claim_and_before_the_first_sight():
    claim, c = CUTOFF - HOUR, commit("a", CUTOFF - HOUR)

    def flags(*fetches):
        how = known(c, {"a": NOW}, {}, CUTOFF, NOW, [(moment, moment) for moment in fetches])
        return time_flags(c, how, NOW, CUTOFF) if how.evidence == "bounded" else []

    assert flags(claim - SECOND, NOW) == []
    (flag,) = flags(claim - SECOND, claim, CUTOFF, NOW)
    assert flag.startswith("The commit claims 2026-11-06T14:59:00Z, but a fetch that began at 2026-11-06T15:59:00Z did")


def test_a_lost_tip_and_a_changed_link_are_flagged():
    before = [
        Sighting("s", "https://old", CUTOFF - HOUR, tip="a" * 40),
        Sighting("s", "https://old", CUTOFF, tip="b" * 40),
    ]
    now = Sighting("s", "https://new", NOW, tip="c" * 40)
    flags = history_flags([*before, now], {"c" * 40: NOW, "b" * 40: NOW})
    assert flags == [
        "The history was rewritten: commit aaaaaaaaaa, seen at 2026-11-06T14:59:00Z, is no longer in it.",
        "The link changed; before it was https://old.",
    ]
    assert history_flags([now], {"c" * 40: NOW}) == []
