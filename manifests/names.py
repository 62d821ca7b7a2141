"""Names and labels that people type, in one spelling."""

import unicodedata


def normalised(text: str) -> str:
    """The text in Unicode's composed form (NFC), without white space around it.

    macOS writes `José` decomposed and lists are typed with stray blanks; both name one person.
    """
    return unicodedata.normalize("NFC", text).strip()
