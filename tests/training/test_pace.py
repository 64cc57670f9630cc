import torch

from lab_utils.training import measure_pace, pace


def test_the_pace_is_that_of_the_fastest_step_in_processor_time_and_disturbs_nothing(monkeypatch):
    ticks = iter([0.0, 9.0, 10.0, 12.0, 20.0, 21.0, 30.0, 33.0])  # steps of 9 (does not count), 2, 1 and 3 seconds
    monkeypatch.setattr(pace, "STEPS", {"resnet10_w16": (4, 3)})
    monkeypatch.setattr(pace.time, "process_time", lambda: next(ticks))
    torch.manual_seed(5)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    with torch.no_grad():
        assert measure_pace() == {"resnet10_w16": 4.0}
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_the_networks_of_the_published_pace_are_those_that_are_measured():
    from lab_utils.metrics import reference_pace

    assert set(pace.STEPS) == set(reference_pace())
