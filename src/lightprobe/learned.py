"""Attributes of an estimator that are read from the one value that it learned."""

from operator import attrgetter
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Learned(Generic[T]):
    """An attribute of `self._fitted`, by its path there; AttributeError before `fit`, or where it has none.

    As a class attribute, `alpha_ = Learned[float]("head.alpha")` makes `estimator.alpha_`.
    """

    def __init__(self, path: str) -> None:
        self._read = attrgetter(path)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, estimator: None, owner: type) -> Self: ...

    @overload
    def __get__(self, estimator: object, owner: type) -> T: ...

    def __get__(self, estimator: Any, owner: type) -> Any:
        if estimator is None:
            return self
        if "_fitted" not in vars(estimator):
            raise AttributeError(f"{owner.__name__} has no {self._name} before it is fitted")
        return self._read(vars(estimator)["_fitted"])
