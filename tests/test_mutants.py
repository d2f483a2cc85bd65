"""The page of mutants that nobody can notice: it reads, and the lines it speaks of are in the code."""

from __future__ import annotations

import tomllib

from tests.mutants import PAGE, ROOT, Change, explained, read_results, read_show

SHOWN = """# keyless.trust.xǁIssuerKeyǁmay_mint__mutmut_3: survived
--- keyless/trust.py
+++ keyless/trust.py
@@ -1,2 +1,2 @@
 def may_mint(self, role: Role) -> bool:
-    return bool(self.role_ceiling >> role & 1)
+    return bool(self.role_ceiling >> role & 2)
"""


def test_a_mutant_is_known_by_what_it_does() -> None:
    change = read_show("keyless.trust.xǁIssuerKeyǁmay_mint__mutmut_3", SHOWN)
    told = "return bool(self.role_ceiling >> role & {})"
    assert change == Change("trust.IssuerKey.may_mint", told.format(1), told.format(2))
    assert explained(str(change).replace("WHY", "because of this and that")) == {change}
    assert read_show("keyless.verify.x__barred__mutmut_7", SHOWN).where == "verify._barred"


def test_results_are_read_whatever_became_of_a_mutant() -> None:
    text = "    keyless.near.x_a__mutmut_1: killed\n    keyless.near.x_a__mutmut_2: no tests\nand so on\n"
    assert read_results(text) == {"keyless.near.x_a__mutmut_1": "killed", "keyless.near.x_a__mutmut_2": "no tests"}


def test_every_explained_line_is_in_the_code_and_its_module_is_mutated() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = explained(page)
    assert len(rows) == sum(line.startswith("| `") for line in page.splitlines()), "a row that does not read"
    mutated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]["only_mutate"]
    for row in rows:
        path = f"keyless/{row.where.partition('.')[0]}.py"
        assert path in mutated
        code = " ".join((ROOT / path).read_text(encoding="utf-8").split())
        assert " ".join(row.was.split()) in code, row
