"""What is chosen, and what is said, for numbers of rows from a folder to an archive."""

import pytest

from lightprobe.errors import ResourceError
from lightprobe.ridge import Plan, plan_fit

GB = 10**9


def plan(
    n: int, m: int = 80_000, *, linear: bool = False, components: str | int = "auto", budget: int = 16 * GB
) -> Plan:
    return plan_fit(n, m, linear=linear, components=components, budget=budget, integers=True)


@pytest.mark.parametrize("n", [20, 3000, 10_000])
def test_the_exact_kernel_is_taken_while_it_is_affordable(n: int) -> None:
    chosen = plan(n)
    assert (chosen.solver, chosen.components) == ("dual", None)
    assert f"exact kernel of {n} rows" in chosen.reason


@pytest.mark.parametrize(("n", "budget"), [(10_000, GB // 2), (100_000, 64 * GB), (60_000, 100 * GB)])
def test_random_features_are_taken_where_memory_or_patience_ends(n: int, budget: int) -> None:
    chosen = plan(n, budget=budget)
    assert chosen.solver == "primal"
    assert chosen.components is not None
    assert f"exact kernel of {n} rows" in chosen.reason
    assert f"{chosen.components} random features" in chosen.reason


def test_less_memory_means_fewer_random_features_then_features_made_again_then_an_error() -> None:
    components, stored = [], []
    for budget in (16 * GB, 3 * GB, GB // 2, GB // 20):
        chosen = plan(50_000, budget=budget)
        components.append(chosen.components or 0)
        stored.append(chosen.stored)
    assert components == sorted(components, reverse=True)
    assert components[0] > components[-1]
    assert stored[0]
    assert not stored[1]
    assert "made again" in plan(50_000, budget=3 * GB).reason
    with pytest.raises(ResourceError, match="raise max_memory"):
        plan(50_000, budget=10**6)


def test_a_number_of_components_is_obeyed() -> None:
    assert plan(1000, components=500).solver == "primal"
    assert plan(1000, components=5000).solver == "dual"
    assert plan(1000, components=5000).components == 5000
    with pytest.raises(ResourceError, match="random features"):
        plan(100_000, components=90_000)


def test_the_exact_kernel_is_refused_where_it_does_not_fit() -> None:
    with pytest.raises(ResourceError, match="exact kernel of 100000 rows"):
        plan(100_000, components="exact")
    assert plan(30_000, components="exact").solver == "dual"  # asked for: patience does not count


def test_the_linear_kernel_is_solved_on_its_shorter_side() -> None:
    assert plan(1000, 500, linear=True).solver == "primal"
    assert plan(500, 1000, linear=True).solver == "dual"
    with pytest.raises(ResourceError, match="Gram matrix of 70000 features"):
        plan(80_000, 70_000, linear=True)
