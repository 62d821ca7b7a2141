"""Names and labels that people type, in one spelling."""

import unicodedata


def label_text(value: object) -> str | None:
    """A cell of a list as a label: text in one spelling, a whole number without a point, or None
    where it is empty. Raises ValueError for what is neither text nor a number.
    """
    if value is None or value != value:  # NaN: what pandas writes for an empty cell
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is neither text nor a number")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers with a gap in it
    return normalised(str(value)) or None


def normalised(text: str) -> str:
    """The text in Unicode's composed form (NFC), without white space around it.

    macOS writes `José` decomposed and lists are typed with stray blanks; both name one person.
    """
    return unicodedata.normalize("NFC", text).strip()
