"""Numbered texts answer as a dictionary does, in their order as `sorted` has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawn.curation import numbered
from dawn.curation.numbered import InOrder, Numbered

TEXTS = st.lists(st.one_of(st.text(max_size=6), st.integers(0, 40).map("face:{:03d}".format)))


@given(came=TEXTS, asked=TEXTS)
def test_numbers_are_those_of_a_dictionary(came: list[str], asked: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbered, "hash", lambda text: len(text) * 1024 - 7, raising=False)  # meet
        texts, plain = Numbered(), dict[str, int]()
        for text in came:
            assert texts.add(text) == plain.setdefault(text, len(plain))
        assert len(texts) == len(plain)
        for text in [*asked, *came]:
            assert texts.get(text) == plain.get(text)
    assert [texts[number] for number in plain.values()] == [*plain]


def test_a_table_that_grows_keeps_all() -> None:
    texts, names = Numbered(), [f"face:{number * 7919 % 5000:06d}" for number in range(5000)]
    assert [texts.add(name) for name in names] == [*range(5000)]
    assert [texts.get(name) for name in names] == [*range(5000)]
    assert texts.get("nobody") is None


@given(groups=st.lists(TEXTS, max_size=4))
def test_order_is_that_of_the_texts_whenever_it_is_asked_for(groups: list[list[str]]) -> None:
    texts, there = Numbered(), set[str]()
    order = InOrder(texts)
    for group in groups:
        for text in {*group} - there:
            order.add(texts.add(text))
        there |= {*group}
        assert len(order) == len(there)
        assert [texts[number] for number in order.numbers()] == sorted(there)
