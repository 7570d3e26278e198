//! What a test, a test that is switched off and an assertion that cannot fail look like, language by
//! language, and which files hold tests or checks at all.
//!
//! Words, not grammars: what counts is whether there are fewer or more of them than before, so a word
//! in a text that is no test hurts only where it comes or goes.

/// What a file is to those who rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It holds tests, or may.
    Tests(&'static Language),
    /// It says which checks run, and whether their failure counts.
    Checks,
}

/// The words of a language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Language {
    /// Endings of its files.
    endings: &'static [&'static str],
    /// Whether any of its files may hold tests; else only those whose path says so.
    anywhere: bool,
    /// What begins a comment of one line.
    comment: &'static [&'static str],
    /// What stands before a test. What follows on the line is its name, or the next line is.
    pub(super) tests: &'static [&'static str],
    /// What switches tests off.
    pub(super) off: &'static [&'static str],
    /// What makes only some tests run.
    pub(super) only: &'static [&'static str],
    /// Assertions that cannot fail.
    pub(super) hollow: &'static [&'static str],
}

const SLASHES: &[&str] = &["//", "/*", "*"];
const HASH: &[&str] = &["#"];

const LANGUAGES: [Language; 14] = [
    Language {
        endings: &["rs"],
        anywhere: true,
        comment: SLASHES,
        tests: &[
            "#[test]",
            "::test]",
            "::test(",
            "#[rstest",
            "#[test_case",
            "#[wasm_bindgen_test",
            "#[quickcheck",
        ],
        off: &["#[ignore", "#[cfg(any())]", "#[cfg(false)]", "#[cfg_attr(all(), ignore"],
        only: &[],
        hollow: &["assert!(true", "assert_eq!(true, true", "assert_eq!(1, 1", "debug_assert!(true"],
    },
    Language {
        endings: &["js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"],
        anywhere: false,
        comment: SLASHES,
        tests: &[
            "it(",
            "it.each",
            "it.only",
            "it.skip",
            "it.concurrent",
            "it.failing",
            "it.fails",
            "it.todo",
            "test(",
            "test.each",
            "test.only",
            "test.skip",
            "test.concurrent",
            "test.failing",
            "test.fails",
            "test.todo",
            "test.fixme",
            "specify(",
            "fit(",
            "xit(",
            "xtest(",
            "Deno.test(",
        ],
        off: &[
            ".skip(",
            ".skip.",
            ".todo(",
            ".fixme(",
            ".skipIf(",
            "xit(",
            "xtest(",
            "xdescribe(",
            "xspecify(",
            "this.skip(",
            "{ skip: true",
            "ignore: true",
        ],
        only: &[".only(", ".only.", "fit(", "fdescribe("],
        hollow: &[
            "expect(true).toBe(true",
            "expect(true)",
            "expect(1).toBe(1",
            "expect(1)",
            "assert(true",
            "assert.ok(true",
            "assert.isTrue(true",
            "assert.equal(1, 1",
        ],
    },
    Language {
        endings: &["py"],
        anywhere: false,
        comment: HASH,
        tests: &["def test"],
        off: &[
            "@pytest.mark.skip",
            "@pytest.mark.xfail",
            "@unittest.skip",
            "@unittest.expectedFailure",
            "@skip",
            "pytest.skip(",
            "pytest.mark.skip(",
            "pytest.importorskip(",
            "self.skipTest(",
            "unittest.SkipTest",
            "__test__ = False",
            "collect_ignore",
        ],
        only: &[],
        hollow: &["assert True", "assert 1 == 1", "self.assertTrue(True", "self.assertEqual(1, 1"],
    },
    Language {
        endings: &["go"],
        anywhere: false,
        comment: SLASHES,
        tests: &["func Test", "func Fuzz", "func Example", "t.Run("],
        off: &["t.Skip(", "t.Skipf(", "t.SkipNow(", "b.Skip("],
        only: &[],
        hollow: &["assert.True(t, true", "require.True(t, true"],
    },
    Language {
        endings: &["java", "kt", "kts", "groovy", "scala"],
        anywhere: false,
        comment: SLASHES,
        tests: &[
            "@Test",
            "@ParameterizedTest",
            "@RepeatedTest",
            "@TestFactory",
            "@Property",
            "test(\"",
            "def \"",
        ],
        off: &["@Disabled", "@Ignore", "enabled = false", "ignore(\"", "assumeTrue(false"],
        only: &[],
        hollow: &["assertTrue(true", "assertEquals(1, 1", "assert(true", "assertThat(true"],
    },
    Language {
        endings: &["cs", "fs", "vb"],
        anywhere: false,
        comment: SLASHES,
        tests: &[
            "[Fact",
            "[Theory",
            "[Test]",
            "[Test(",
            "[TestCase",
            "[TestMethod",
            "<Test>",
            "<Fact>",
            "[<Fact",
            "[<Test",
        ],
        off: &["[Ignore", "Skip =", "Skip=", "[Explicit", "Assert.Ignore(", "Assert.Inconclusive("],
        only: &[],
        hollow: &["Assert.True(true", "Assert.IsTrue(true", "Assert.Pass(", "Assert.That(true"],
    },
    Language {
        endings: &["php"],
        anywhere: false,
        comment: SLASHES,
        tests: &["function test", "#[Test", "it('", "it(\"", "test('", "test(\""],
        off: &["markTestSkipped(", "markTestIncomplete(", "->skip(", "->todo("],
        only: &["->only("],
        hollow: &["assertTrue(true", "assertSame(1, 1", "expect(true)"],
    },
    Language {
        endings: &["rb"],
        anywhere: false,
        comment: HASH,
        tests: &["it \"", "it '", "it(", "specify ", "test \"", "test '", "def test_", "xit \"", "xit '"],
        off: &[
            "xit ",
            "xdescribe ",
            "xcontext ",
            "skip \"",
            "skip '",
            "skip(",
            "pending \"",
            "pending '",
            "pending(",
        ],
        only: &["fit ", "fdescribe ", "fcontext ", "focus: true", ":focus"],
        hollow: &["assert true", "expect(true)", "assert_equal 1, 1"],
    },
    Language {
        endings: &["swift"],
        anywhere: false,
        comment: SLASHES,
        tests: &["func test", "@Test"],
        off: &["XCTSkip", ".disabled("],
        only: &[],
        hollow: &["XCTAssertTrue(true", "XCTAssert(true", "#expect(true"],
    },
    Language {
        endings: &["ex", "exs"],
        anywhere: false,
        comment: HASH,
        tests: &["test \"", "property \""],
        off: &["@tag :skip", "@tag skip:", "@moduletag :skip", "@describetag :skip"],
        only: &[],
        hollow: &["assert true"],
    },
    Language {
        endings: &["dart"],
        anywhere: false,
        comment: SLASHES,
        tests: &["test(", "testWidgets("],
        off: &["skip: true", "skip: '", "skip: \"", "@Skip("],
        only: &["solo: true"],
        hollow: &["expect(true, true", "expect(true, isTrue"],
    },
    Language {
        endings: &["c", "cc", "cpp", "cxx", "h", "hpp"],
        anywhere: false,
        comment: SLASHES,
        tests: &[
            "TEST(",
            "TEST_F(",
            "TEST_P(",
            "TYPED_TEST(",
            "TEST_CASE(",
            "SCENARIO(",
            "BOOST_AUTO_TEST_CASE(",
        ],
        off: &["DISABLED_", "GTEST_SKIP(", "[.]", "[!hide]", "SKIP("],
        only: &[],
        hollow: &["EXPECT_TRUE(true", "ASSERT_TRUE(true", "REQUIRE(true", "CHECK(true"],
    },
    Language {
        endings: &["bats", "sh", "bash"],
        anywhere: false,
        comment: HASH,
        tests: &["@test \"", "@test '", "function test_"],
        off: &["skip \"", "skip '"],
        only: &["bats:focus"],
        hollow: &["[ 1 -eq 1 ]"],
    },
    Language {
        endings: &["lua", "jl", "r", "R", "clj", "hs", "ml", "zig", "nim"],
        anywhere: false,
        comment: &["--", ";", "#"],
        tests: &[
            "it(\"",
            "it('",
            "it \"",
            "@test ",
            "@testset ",
            "test_that(",
            "(deftest ",
            "testCase \"",
            "test \"",
        ],
        off: &["pending(", "@test_skip", "@test_broken", "skip(", "xit ", "^:skip"],
        only: &[],
        hollow: &["assert(true", "@test true", "expect_true(TRUE", "(is true"],
    },
];

/// What lets failures pass in a file that says which checks run.
pub(super) const WEAK: [&str; 10] = [
    "|| true",
    "||true",
    "|| :",
    "|| exit 0",
    "continue-on-error: true",
    "allow_failure: true",
    "if: false",
    "--passWithNoTests",
    "--exit-zero",
    "set +e",
];

/// What a file at this path (relative, with `/`) is; none: nothing that is watched.
pub(super) fn role(path: &str) -> Option<Role> {
    if is_check(path) {
        return Some(Role::Checks);
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending)?;
    let language = LANGUAGES.iter().find(|language| language.endings.contains(&ending))?;
    (language.anywhere || is_test_path(path)).then_some(Role::Tests(language))
}

/// Whether the path is that of a file of tests in one of the ways that languages and tools have.
pub(super) fn is_test_path(path: &str) -> bool {
    const FOLDERS: [&str; 12] = [
        "test",
        "tests",
        "__tests__",
        "spec",
        "specs",
        "e2e",
        "cypress",
        "testing",
        "unittests",
        "androidTest",
        "integration_test",
        "test_driver",
    ];
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_folder = folders.split('/').any(|folder| {
        FOLDERS.contains(&folder)
            || folder.ends_with("Tests")
            || folder.ends_with(".Test")
            || folder.ends_with("-tests")
    });
    if in_folder {
        return true;
    }
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let inner = name.split('.').skip(1).any(|part| matches!(part, "test" | "spec" | "cy" | "e2e"));
    inner
        || stem.starts_with("test_")
        || ["_test", "_tests", "_spec", "-test", "-spec", "Test", "Tests", "Spec", "IT", "TestCase"]
            .iter()
            .any(|ending| stem.ends_with(ending) && stem.len() > ending.len())
        || matches!(stem, "test" | "tests" | "conftest")
        || name.rsplit_once('.').is_some_and(|(_, ending)| ending == "bats")
}

/// Whether the path is that of a file that says which checks run.
fn is_check(path: &str) -> bool {
    const NAMES: [&str; 22] = [
        ".gitlab-ci.yml",
        ".travis.yml",
        ".drone.yml",
        ".cirrus.yml",
        ".pre-commit-config.yaml",
        "appveyor.yml",
        "azure-pipelines.yml",
        "bitbucket-pipelines.yml",
        "buildspec.yml",
        "cloudbuild.yaml",
        "Jenkinsfile",
        "Makefile",
        "makefile",
        "GNUmakefile",
        "justfile",
        "Justfile",
        "Taskfile.yml",
        "tox.ini",
        "noxfile.py",
        "package.json",
        "lefthook.yml",
        "Earthfile",
    ];
    const FOLDERS: [&str; 8] = [
        ".github/workflows/",
        ".github/actions/",
        ".gitlab/",
        ".circleci/",
        ".buildkite/",
        ".woodpecker/",
        ".husky/",
        ".azure-pipelines/",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    NAMES.contains(&name) || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

impl Language {
    /// Whether a line (without blanks around it) is a comment. `#[` is an attribute in Rust and PHP.
    pub(super) fn is_comment(&self, line: &str) -> bool {
        self.comment.iter().any(|mark| line.starts_with(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tests_are_known_by_their_path() {
        for path in [
            "tests/a.py",
            "test_login.py",
            "pkg/login_test.go",
            "src/login.test.ts",
            "src/login.spec.tsx",
            "spec/a_spec.rb",
            "src/test/java/LoginTest.java",
            "Web.Tests/LoginTests.cs",
            "cypress/a.cy.js",
            "app/__tests__/a.js",
            "AppTests/A.swift",
            "conftest.py",
            "tests/install.bats",
            "src/lib.rs",
            "packages/a/test/b.mjs",
        ] {
            assert!(matches!(role(path), Some(Role::Tests(_))), "{path}");
        }
        for path in [
            "src/login.py",
            "src/latest.js",
            "contest.py",
            "README.md",
            "tests/data.json",
            "Test",
            "src/greatest.go",
        ] {
            assert_eq!(role(path), None, "{path}");
        }
        for path in [
            ".github/workflows/ci.yml",
            ".gitlab-ci.yml",
            "Makefile",
            "web/package.json",
            ".husky/pre-commit",
        ] {
            assert_eq!(role(path), Some(Role::Checks), "{path}");
        }
    }
}
