"""PagerDuty's condition language by the words of its overview, for the parts that we write.

Precedence: parentheses, operations, ``not``, ``and``, ``or``. An error is false in the boolean
expression that it stands in.
"""

import re

TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\['\\])*')|(?P<punct>\(|\))|(?P<word>[^\s()'\[]+(?:\['(?:[^'\\]|\\['\\])*'\])?))""",
    re.VERBOSE,
)


class Condition:
    """A parsed condition, to be asked for events (paths and what stands there)."""

    def __init__(self, text):
        self.tokens, at = [], 0
        while at < len(text):
            found = TOKEN.match(text, at)
            assert found, text[at:]
            self.tokens.append((found.lastgroup, found.group(found.lastgroup)))
            at = found.end()

    def holds(self, event):
        self.at, self.event = 0, event
        result = self.either()
        assert self.at == len(self.tokens), self.tokens[self.at :]
        return result

    def peek(self):
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *expected):
        for word in expected:
            assert self.peek() == word, (word, self.tokens[self.at :])
            self.at += 1

    def either(self):
        result = self.both()
        while self.peek() == "or":
            self.take("or")
            result = self.both() or result
        return result

    def both(self):
        result = self.negated()
        while self.peek() == "and":
            self.take("and")
            result = self.negated() and result
        return result

    def negated(self):
        if self.peek() == "not":
            self.take("not")
            return not self.negated()
        return self.operation()

    def operation(self):
        if self.peek() == "(":
            self.take("(")
            result = self.either()
            self.take(")")
            return result
        kind, path = self.tokens[self.at]
        assert kind == "word"
        self.at += 1
        value = self.event.get(path)
        if self.peek() == "exists":
            self.take("exists")
            return path in self.event
        self.take("matches")
        regex = self.peek() == "regex"
        self.take(*["regex"] * regex, "exactly")
        kind, wanted = self.tokens[self.at]
        assert kind == "string"
        self.at += 1
        wanted = re.sub(r"\\(['\\])", r"\1", wanted[1:-1])
        if value is None:
            return False  # an error
        if not regex:
            return value == wanted
        assert wanted.startswith("(?-sm)")
        # Go's $ without the flag m is the end of the text; Python's isn't quite.
        return re.search(re.sub(r"\$$", r"\\Z", wanted.removeprefix("(?-sm)")), value) is not None
