//! What a file of tests or checks holds, in figures: small enough to keep for every file of a project.

use serde::{Deserialize, Serialize};

use super::languages::{Language, Role, WEAK};

/// What was counted in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Census {
    /// A hash of each test's name; the same name as often as it occurs. Sorted.
    pub(super) tests: Vec<u64>,
    /// How often tests are switched off.
    pub(super) off: usize,
    /// How often all but some tests are left out.
    pub(super) only: usize,
    /// Assertions that cannot fail.
    pub(super) hollow: usize,
    /// Places that let failures of checks pass.
    pub(super) weak: usize,
    /// A hash of the whole text.
    pub(super) text: u64,
}

impl Census {
    /// Counts a text.
    pub(super) fn of(text: &str, role: Option<Role>) -> Self {
        let mut census = Self { text: hash(text.as_bytes()), ..Self::default() };
        match role {
            Some(Role::Tests(language)) => census.count_tests(text, language),
            Some(Role::Checks) => census.count_checks(text),
            None => {}
        }
        census
    }

    fn count_checks(&mut self, text: &str) {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        self.weak = lines.map(|line| WEAK.iter().map(|mark| line.matches(mark).count()).sum::<usize>()).sum();
    }

    fn count_tests(&mut self, text: &str, language: &Language) {
        let mut unnamed = 0_usize;
        let mut in_comment = false;
        for line in text.lines().map(str::trim) {
            let was_in_comment = in_comment;
            in_comment = (in_comment || line.starts_with("/*")) && !line.contains("*/");
            if line.is_empty() || was_in_comment || language.is_comment(line) {
                continue;
            }
            self.off += count(line, language.off);
            self.only += count(line, language.only);
            self.hollow += usize::from(count(line, language.hollow) > 0);
            let named: Vec<&str> = language.tests.iter().flat_map(|mark| after(line, mark)).collect();
            let is_attribute = line.starts_with("#[") || line.starts_with(['@', '[', '<']);
            match named.first() {
                Some(name) if !is_attribute || names_a_function(name) => {
                    self.tests.push(hash(name.as_bytes()));
                }
                Some(_) => unnamed += 1,
                // Further attributes may stand between a test's mark and its name.
                None if unnamed > 0 && !is_attribute => {
                    self.tests.extend(std::iter::repeat_n(hash(line.as_bytes()), unnamed));
                    unnamed = 0;
                }
                None => {}
            }
        }
        self.tests.extend(std::iter::repeat_n(0, unnamed));
        self.tests.sort_unstable();
    }
}

/// Whether what follows an attribute on its line is the test itself: `@Test void logs_in() {`,
/// `@test "logs in" {`.
fn names_a_function(rest: &str) -> bool {
    rest.trim_start().starts_with(['"', '\''])
        || ["fn ", "void ", "fun ", "func ", "Task "].iter().any(|word| rest.contains(word))
}

/// How often any of the marks occurs in a line; where they overlap they are one.
fn count(line: &str, marks: &[&str]) -> usize {
    let mut found: Vec<(usize, usize)> = marks
        .iter()
        .flat_map(|mark| places(line, mark).map(|place| (place, place + mark.len())).collect::<Vec<_>>())
        .collect();
    found.sort_unstable();
    let mut end = 0;
    let mut number = 0;
    for (from, to) in found {
        number += usize::from(from >= end);
        end = end.max(to);
    }
    number
}

/// What follows the mark, wherever it occurs in the line.
fn after<'a>(line: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    places(line, mark).map(move |place| &line[place + mark.len()..])
}

/// Where the mark occurs in the line and is not a part of a longer word.
fn places<'a>(line: &'a str, mark: &'a str) -> impl Iterator<Item = usize> {
    let begins_a_word = mark.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(mark).map(|(place, _)| place).filter(move |place| {
        let before = line[..*place].chars().next_back();
        !begins_a_word || before.is_none_or(|c| !(c.is_alphanumeric() || "_.$".contains(c)))
    })
}

/// FNV-1a: the same on every machine and in every version, since it is kept on disk.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::super::languages::role;
    use super::*;

    /// Tests, switched off, narrowed, assertions that cannot fail.
    fn figures(path: &str, text: &str) -> [usize; 4] {
        let census = Census::of(text, role(path));
        [census.tests.len(), census.off, census.only, census.hollow]
    }

    #[test]
    fn tests_are_counted_in_every_language() {
        for (path, text, expected) in [
            (
                "src/lib.rs",
                "#[test]\nfn a() {}\n#[tokio::test(flavor = \"x\")]\n#[ignore]\nasync fn b() { assert!(true); }\n// #[test]\n// fn c() {}\n/* #[test]\nfn d() {}\n#[test] */",
                [2, 1, 0, 1],
            ),
            (
                "a.test.ts",
                "describe('x', () => {\n it('a', () => { expect(true).toBe(true) })\n it.skip('b', f)\n xit('c', f)\n it.only(\"d\", f)\n test.each([1])('e', f)\n if (/x/.test(y)) wait(1)\n // it('gone')\n})",
                [5, 2, 1, 1],
            ),
            (
                "tests/test_a.py",
                "def test_a():\n    assert True\n@pytest.mark.skip(reason='x')\nasync def test_b(self):\n    pytest.skip('y')\n# def test_c():\ndef helper(): pass",
                [2, 2, 0, 1],
            ),
            (
                "a_test.go",
                "func TestA(t *testing.T) {\n t.Skip(\"x\")\n}\nfunc helper() {}\nfunc FuzzB(f *testing.F) {}",
                [2, 1, 0, 0],
            ),
            (
                "src/test/java/ATest.java",
                "@Test\nvoid a() { assertTrue(true); }\n@Disabled\n@Test void b() {}\n@ParameterizedTest\n@Disabled(\"x\")\nvoid c() {}",
                [3, 2, 0, 1],
            ),
            (
                "ATests.cs",
                "[Fact]\npublic void A() {}\n[Test]\n[Ignore(\"x\")]\npublic void B() {}\n[Theory(Skip = \"x\")]\npublic void C() {}",
                [3, 2, 0, 0],
            ),
            (
                "tests/ATest.php",
                "public function testA() { $this->markTestSkipped('x'); }\nit('b', fn() => 1);",
                [2, 1, 0, 0],
            ),
            (
                "spec/a_spec.rb",
                "it 'a' do\nxit 'b' do\nit \"c\", focus: true do\n  skip 'x'\nsubmit 'x'",
                [3, 2, 1, 0],
            ),
            ("ATests.swift", "func testA() { XCTAssertTrue(true) }\n@Test func b() {}", [2, 0, 0, 1]),
            ("test/a_test.exs", "test \"a\" do\n@tag :skip\ntest \"b\" do", [2, 1, 0, 0]),
            ("test/a_test.dart", "test('a', () {});\ntestWidgets('b', f, skip: true);", [2, 1, 0, 0]),
            ("a_test.cpp", "TEST(A, B) {}\nTEST_F(A, DISABLED_C) { EXPECT_TRUE(true); }", [2, 1, 0, 1]),
            ("a.bats", "@test \"a\" {\n  skip \"x\"\n}", [1, 1, 0, 0]),
            ("test/a.lua", "it(\"a\", f)\n-- it(\"b\", f)", [1, 0, 0, 0]),
        ] {
            assert_eq!(figures(path, text), expected, "{path}");
        }
    }

    #[test]
    fn a_test_is_known_by_its_name_wherever_it_stands() {
        let census = |text| Census::of(text, role("src/a.rs"));
        let one = census("#[test]\n#[should_panic]\nfn a() {}\n#[test]\nfn b() {}");
        let other = census("mod x {\n    #[test]\n    fn b() {\n    }\n    #[test] fn c() {}\n}");
        assert_eq!(one.tests.len(), 2);
        assert_eq!(
            one.tests.iter().filter(|name| other.tests.contains(name)).count(),
            0,
            "`fn b() {{}}` differs"
        );
        let moved = census("    #[test]\n    fn b() {}\n");
        assert!(one.tests.contains(&moved.tests[0]));
    }

    #[test]
    fn places_that_let_failures_pass_are_counted() {
        let weak = |text| Census::of(text, role(".github/workflows/ci.yml")).weak;
        assert_eq!(weak("- run: cargo test\n# || true\n"), 0);
        assert_eq!(weak("- run: cargo test || true\n  continue-on-error: true\n"), 2);
    }
}
