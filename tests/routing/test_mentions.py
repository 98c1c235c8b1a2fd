"""The mention grammar: what is found, what is not, and that any text is read in linear time."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support.clock import is_linear

from jupyter_ai_personas.routing import MAX_SCANNED, NameIndex, find_mentions, mention_name

NAMES = NameIndex(
    {
        "echo": "Echo",
        "data": "Data",
        "analyst": "Data-Analyst",
        "cxx": "C++-Guru",
        "cn": "数据助手",
        "fr": "Données",
        "hi": "सहायक",
        "de": "Straße",
        "gr": "ΐδα",
        "th": "ผู้ช่วย",
        "ar": "مساعد",
        "ko": "도우미",
        "dot": "v1.5",
        "emoji": "🤖bot",
    }
)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("@Echo", ["echo"]),
        ("@echo and @ECHO", ["echo"]),
        ("hello @Echo, what now?", ["echo"]),
        ("@Echo\n> - <!--\n> ", ["echo"]),  # markdown-it-py looks beyond the end of such a text
        ("ask (@Echo) or '@Echo' or \"@Echo\" or **@Echo**", ["echo"]),
        ("@Echo: look; @Data!", ["echo", "data"]),
        ("@Data then @Echo then @Data", ["data", "echo"]),
        ("@Echo's answer", ["echo"]),
        ("@Echo.", ["echo"]),
        ("Thanks @Echo…", ["echo"]),
        ("line\n@Echo\nline", ["echo"]),
        ("@Echo-", ["echo"]),
        ("@Data_", ["data"]),
        # what cannot continue a name ends it
        ("@Echo.com", ["echo"]),
        ("@echo@example.org", ["echo"]),
        ("@echo/package", ["echo"]),
        ("@Echo@Data", ["echo", "data"]),
        ("@Echo/Data", ["echo"]),
        ("@Echo.What now?", ["echo"]),
        ("@Echo,what @Data;now", ["echo", "data"]),
        ("@Echo—or @Data…", ["echo", "data"]),
        ("@Echo|@Data", ["echo", "data"]),
        ("@Echo/@Data", ["echo", "data"]),
        ("@Echo+@Data&@C++-Guru=@v1.5", ["echo", "data", "cxx", "dot"]),
        ("@v1.5.@Echo", ["dot", "echo"]),
        ("_@Echo_ and __@Data__", ["echo", "data"]),
        ("**@Echo**, *@Data*, ***_@C++-Guru_***, ~~@v1.5~~", ["echo", "data", "cxx", "dot"]),
        ("@Echo’s and <@Data>", ["echo", "data"]),
        ("| @Echo | @Data |", ["echo", "data"]),
        ("-@Echo, #@Data and .@v1.5", ["echo", "data", "dot"]),
        ("Thanks.@Echo", ["echo"]),
        ("@Echo@", ["echo"]),
        # the sign, and full-width forms of names
        ("＠Echo and ﹫Data", ["echo", "data"]),
        ("请＠数据助手看看", ["cn"]),
        ("＠Ｅｃｈｏ，＠Ｖ１．５", ["echo", "dot"]),
        ("ada＠Echo", []),
        # emoji and what cannot be seen
        ("❤️@Echo", ["echo"]),
        ("👩‍💻@Echo 👋🏽@Data 🇩🇪@v1.5", ["echo", "data", "dot"]),
        ("1️⃣@Echo", ["echo"]),
        ("@Echo1️⃣", ["echo"]),
        ("@Echo❤️", ["echo"]),
        ("@🤖bot❤", ["emoji"]),
        ("@🤖️bot", ["emoji"]),
        ("@Echo\u200d @Data\ufe0f", ["echo", "data"]),
        ("\u2067@\u200eEcho\u2069", ["echo"]),
        ("@Ec\u00adho", ["echo"]),
        ("\u00a0@Echo\u00a0", ["echo"]),
        ("@Echo\u200bone", []),
        ("é@Echo e\u0301@Echo x\u200d@Echo", []),
        # punctuation of other scripts
        ("「@Echo」，（@Data）。", ["echo", "data"]),
        ("@Echo、@Data。", ["echo", "data"]),
        ("¿@Echo? «@Data»", ["echo", "data"]),
        ("👋@Echo", ["echo"]),
        ("[@Echo](https://example.org)", ["echo"]),
        ("[text](https://example.org/@Echo)@Data", ["data"]),
        ("[text](@Echo) ![@Data](plot.png '@v1.5')", ["data"]),
        ("@C++-Guru why?", ["cxx"]),
        ("@v1.5 is out", ["dot"]),
        ("@🤖bot hi", ["emoji"]),
        # the longest known name wins; a longer word is no mention of a shorter name
        ("@Data-Analyst", ["analyst"]),
        ("@Data-Analysts", []),
        ("@Data-Scientist", []),
        ("@Database", []),
        ("@Data_table", []),
        ("@Data-_-x", []),
        ("@Data2", []),
        # any language's letters, in either composition, in either case
        ("@Données", ["fr"]),
        (unicodedata.normalize("NFD", "@Données"), ["fr"]),
        ("@DONNÉES ?", ["fr"]),
        ("@Straße, @STRASSE", ["de"]),
        ("@strasse", ["de"]),
        ("@" + "ΐδα".upper(), ["gr"]),
        ("@सहायक नमस्ते", ["hi"]),
        ("@सहायकों", []),
        ("@مساعد، مرحبا", ["ar"]),
        ("@도우미 안녕", ["ko"]),
        # scripts without spaces: letters beside a mention are not part of its word
        ("请@数据助手看看", ["cn"]),
        ("@数据助手Python怎么用", ["cn"]),
        ("请@Echo帮我", ["echo"]),
        ("ถาม@ผู้ช่วยหน่อย", ["th"]),
        # no mentions
        ("Echo", []),
        ("@ Echo", []),
        ("@", []),
        ("@@", []),
        ("@@Echo", []),
        (r"\@Echo", []),
        ("me@Echo.com and x@echo", []),
        ("@Nobody@Echo", []),
        ("_me_@Echo me+x@Echo me-@Echo", []),
        ("a/@Echo", []),
        ("\\\\@Echo", []),
        ("see https://example.org/@Echo and www.example.org/?q=@Echo", []),
        ("mailto:@Echo", []),
        ("<https://example.org/,@Echo>", []),
        ("https://example.org/(@Echo)/@Data", []),
        ("(https://example.org)@Echo", ["echo"]),
        ('"https://example.org"@Echo', ["echo"]),
        ("`@Echo`", []),
        ("``a ` @Echo``", []),
        ("`unclosed @Echo", ["echo"]),
        ("``unclosed ` @Echo", ["echo"]),
        (r"\`@Echo\`", ["echo"]),
        (r"``@Echo\`` @Data", ["data"]),
        ("`code` @Echo `code`", ["echo"]),
        ("`ends with\n\nits paragraph` @Echo", ["echo"]),
        ("`spans a\nline @Echo`", []),
        ("```\n@Echo\n```", []),
        ("```python\n@Echo\n```\n@Data", ["data"]),
        ("~~~\n```\n@Echo\n~~~\n@Data", ["data"]),
        ("````\n```\n@Echo\n````", []),
        ("```\n@Echo", []),
        ("``` not a fence ` @Echo", ["echo"]),
        ("- ```\n  @Echo\n  ```\n\n@Data", ["data"]),
        ("1. ```\n   @Echo\n   ```\n2. @Data", ["data"]),
        ("text\n\n    @Echo\n\n@Data", ["data"]),
        ("    @Echo", []),
        ("-     @Echo", []),
        ("- ```\n@Echo", ["echo"]),
        ("text\n    @Echo", ["echo"]),
        ("- item\n\n    @Echo", ["echo"]),
        ("> @Echo said", []),
        ("   >@Echo said\n\nI disagree, @Data", ["data"]),
        ("- > @Echo\n- @Data", ["data"]),
        ("> @Echo\n> more\n@Data what do you think?", ["data"]),
        ("> @Echo\nand @Data\n> @Echo again", ["data"]),
        ("- > @Echo\n  > @Echo\n  @Data", ["data"]),
        # markup
        ("<!-- @Echo --> @Data", ["data"]),
        ("<!-- @Echo\n\n@Echo -->\n\n@Data", ["data"]),
        ("text <!-- @Echo", ["echo"]),
        ("<b>@Echo</b> <i title='@Data'>x</i>", ["echo"]),
        ("<div title='@Echo'>\n@Data <!-- @Echo -->\n</div>", ["data"]),
        ("`<!--` @Echo `-->`", ["echo"]),
        ("> ```\n> open fence in a quote\n\n@Echo", ["echo"]),
    ],
)
def test_a_mention_is_found_where_a_reader_sees_one(body: str, found: list[str]) -> None:
    assert find_mentions(body, NAMES) == found


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
def test_lines_end_as_in_markdown(newline: str) -> None:
    assert find_mentions(newline.join(["```", "@Echo", "```", "@Data"]), NAMES) == ["data"]


@pytest.mark.parametrize("separator", ["\u2028", "\x0b", "\x0c", "\x85"])
def test_other_separators_end_no_line(separator: str) -> None:
    assert find_mentions(f"`code{separator}{separator}@Echo`", NAMES) == []
    assert find_mentions(f"a{separator}> @Echo", NAMES) == ["echo"]


def test_a_full_width_mark_ends_a_url() -> None:
    assert find_mentions("看https://a.b/c，@Echo 看看", NAMES) == ["echo"]
    assert find_mentions("（https://a.b/c）@Echo", NAMES) == ["echo"]


def test_names_with_spaces_are_mentioned_with_hyphens() -> None:
    assert mention_name("  Data  Analyst\t2 ") == "Data-Analyst-2"
    index = NameIndex({"a": mention_name("Data Analyst")})
    assert find_mentions("@data-analyst please", index) == ["a"]


def test_of_two_ids_with_one_name_the_first_keeps_it() -> None:
    index = NameIndex([("a", "Straße"), ("b", "STRASSE")])
    assert find_mentions("@strasse", index) == ["a"]
    assert index.id_of("@Straße") == "a"
    assert index.names == ["Straße", "STRASSE"]


def test_an_empty_index_finds_nothing() -> None:
    assert find_mentions("@Echo", NameIndex()) == []
    assert find_mentions("@", NameIndex({"a": ""})) == []


def test_what_comes_after_a_hundred_pages_is_not_read() -> None:
    body = "x " * (MAX_SCANNED // 2) + "@Echo"
    assert find_mentions(body, NAMES) == []
    assert find_mentions("@Echo " + body, NAMES) == ["echo"]


# -- properties -------------------------------------------------------------------------------

markdown = st.text(alphabet=st.sampled_from([*"@`~>\\ \t\r\n-.1)_:/w#<[](Eé數\u0301\u2028"]))
pieces = st.lists(
    st.sampled_from(
        [
            "@Echo",
            "@Data",
            "@Data-Analyst",
            "@数据助手",
            "`",
            "```",
            "~~~",
            "\n",
            "\n\n",
            "    ",
            "> ",
            "- ",
            "1. ",
            " ",
            "\\",
            "https://a.b/",
            "www.",
            "x@",
            ".",
            "/",
            "word",
        ]
    ),
    max_size=40,
).map("".join)
letters = st.characters(categories=["L", "M", "N"], exclude_characters="İı")
names = (
    st.text(alphabet=letters, min_size=1, max_size=12)
    .map(lambda name: unicodedata.normalize("NFC", name))
    .filter(lambda name: not unicodedata.category(name[0]).startswith("M"))
)


@given(st.one_of(st.text(), markdown, pieces))
def test_any_text_is_read(body: str) -> None:
    found = find_mentions(body, NAMES)
    assert len(found) == len(set(found))
    assert all(id_ in NAMES for id_ in found)


@given(names, st.sampled_from(["", "Hello ", "Hello, (", "line\n", "**", '"']))
def test_a_name_outside_of_code_is_found(name: str, before: str) -> None:
    index = NameIndex({"it": name})
    for after in ("", " ", ", please", "?", "\nmore", "**"):
        assert find_mentions(f"{before}@{name}{after}", index) == ["it"]


@given(names, st.sampled_from(["@", "/@", "+@", ".@", " @", "，＠"]))
def test_mentions_may_touch_each_other(name: str, between: str) -> None:
    index = NameIndex({"one": name, "two": f"x{name}"})
    assume(len(index) == 2)
    assert find_mentions(f"@{name}{between}x{name}", index) == ["one", "two"]


invisible = st.sampled_from(
    "\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2069\u061c\u00ad\ufe0e\ufe0f\ufeff"
)


@given(names, st.data())
def test_what_cannot_be_seen_does_not_matter(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name)))
    written = name[:at] + data.draw(st.text(invisible, max_size=3)) + name[at:]
    assert find_mentions(f"so @{written}, hm", NameIndex({"it": name})) == ["it"]
    assert find_mentions(f"so @{name}, hm", NameIndex({"it": written})) == ["it"]


emoji = st.sampled_from(["🤖", "❤", "❤️", "👋🏽", "👩‍💻", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☎", "™"])


@given(
    st.sampled_from(["Guide", "Données", "助手", "Bot🤖"]),
    st.sampled_from("\u0301\u0308\u20dd\u0483"),
)
def test_a_name_is_not_cut_out_of_a_grapheme_cluster(name: str, mark: str) -> None:
    assert find_mentions(f"@{name}{mark}", NameIndex({"it": name})) == []
    assert find_mentions(f"@{name}{mark}", NameIndex({"it": name + mark})) == ["it"]


@given(st.lists(emoji, min_size=1, max_size=3).map("".join), st.sampled_from(["", " ", "!", "s"]))
def test_an_emoji_is_found_with_and_without_its_selector(name: str, after: str) -> None:
    plain = name.replace("\ufe0f", "")
    for known in (f"Bot{name}", f"Bot{plain}"):
        index = NameIndex({"it": known})
        for written in (name, plain, f"{plain}\ufe0f"):
            found = find_mentions(f"@Bot{written}{after}", index)
            assert found == ["it"], written


@pytest.mark.parametrize(
    ("known", "written"),
    [("👋", "👋🏽"), ("👩", "👩‍💻"), ("❤", "❤️‍🔥"), ("🇩", "🇩🇪"), ("🏴", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"), ("no1", "no1️⃣")],
)
def test_one_emoji_is_no_part_of_another(known: str, written: str) -> None:
    assert find_mentions(f"@{written}", NameIndex({"it": known})) == []
    assert find_mentions(f"@{written}", NameIndex({"it": known, "other": written})) == ["other"]


@given(names, st.from_regex(r"[a-z0-9]([a-z0-9._+-]*[a-z0-9])?", fullmatch=True), st.booleans())
def test_an_email_address_is_no_mention(name: str, person: str, is_wide: bool) -> None:
    address = f"{person}{'＠' if is_wide else '@'}{name}"
    index = NameIndex({"it": name})
    for body in (address, f"write to {address}.org!", f"<{address}>", f"**{address}**"):
        assert find_mentions(body, index) == []


@given(names)
@example("ŉ")
@example("ǰ")
@example("ΰ")
@example("ᾳ")
def test_case_and_composition_do_not_matter(name: str) -> None:
    def caseless(text: str) -> str:  # Unicode 16, definition D145
        folded = unicodedata.normalize("NFD", text).casefold()
        return unicodedata.normalize("NFD", folded)

    index = NameIndex({"it": name})
    for form in ("NFC", "NFD"):
        for change in (str.upper, str.lower, str.title, str.swapcase, str.casefold):
            written = unicodedata.normalize(form, change(name))
            assume(caseless(written) == caseless(name))
            assert find_mentions(f"so @{written}?", index) == ["it"]


@given(names, st.text(alphabet=st.characters(exclude_characters="`\r\n"), max_size=20))
def test_a_name_inside_of_code_quotes_and_urls_is_not_found(name: str, text: str) -> None:
    index = NameIndex({"it": name})
    quiet = text.replace("@", "")
    for body in (
        f"`{quiet} @{name} `",
        f"```\n{quiet}\n @{name}\n```",
        f"~~~ {quiet.replace('~', '')}\n@{name}",
        f"> {quiet} @{name}",
        f"    {quiet} @{name}",
        f"https://example.org/@{name}",
        f"somebody@{name}.org",
        f"\\@{name}",
    ):
        assert find_mentions(body, index) == [], body


@given(names, names)
def test_the_longest_name_wins(short: str, more: str) -> None:
    index = NameIndex({"short": short, "long": f"{short}-{more}"})
    assume(len(index) == 2)
    assert find_mentions(f"@{short}-{more}", index) == ["long"]
    assert find_mentions(f"@{short} - {more}", index) == ["short"]


@given(
    st.sampled_from(
        [
            "@",
            "@ ",
            "@E ",
            "@Data-Analys ",
            "`",
            "` `` ",
            "`\n\n",
            "\\",
            "\\`",
            "- ",
            "1. ",
            "> @",
            "a:",
            "a://",
            "www.",
            "mailto:@ ",
            "@\u0301\u0316",
            "\u0301\u0316",
            "\n```\n~~~",
            "ß@ß",
            "@🇩",
            "\u200d@",
            "👩\u200d",
            "- @\n",
            "> @\na\n",
            "@`\n\n",
            "<!-- @",
            "<div>\n@",
            "](@",
            "a://(b",
            "._+@",
        ]
    )
)
def test_the_time_grows_with_the_length_only(piece: str) -> None:
    body = ("@" + piece * MAX_SCANNED)[:MAX_SCANNED]
    assert is_linear(lambda size: find_mentions(body[:size], NAMES), MAX_SCANNED)
