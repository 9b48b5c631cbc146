package results_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
	"microcosm/results/samplefile"
)

func document(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	return string(data)
}

func TestTheExamplesInTheDocumentAreRead(t *testing.T) {
	t.Parallel()
	examples := regexp.MustCompile("(?s)```\n(# microcosm samples.*?)```").FindAllStringSubmatch(document(t), -1)
	require.Len(t, examples, 2)
	full, err := samplefile.ReadText("FORMAT.md", []byte(examples[0][1]))
	require.NoError(t, err)
	require.Equal(t, examples[0][1], string(text(t, full)), "the example is what would be written")
	foreign, err := samplefile.ReadText("FORMAT.md", []byte(examples[1][1]))
	require.NoError(t, err)
	require.Len(t, foreign, 3)
}

func TestEveryTableAndColumnIsDocumented(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite3", filled(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.Query(`
		SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'schema_version'`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	sections := strings.Split(document(t), "\n### ")
	columns := 0
	for rows.Next() {
		var table, column string
		require.NoError(t, rows.Scan(&table, &column))
		columns++
		found := false
		for _, section := range sections {
			title, body, _ := strings.Cut(section, "\n")
			found = found || regexp.MustCompile(`\b`+table+`\b`).MatchString(title) && regexp.MustCompile(`\b`+column+`\b`).MatchString(body)
		}
		require.True(t, found, "FORMAT.md does not describe %s.%s", table, column)
	}
	require.NoError(t, rows.Err())
	require.Greater(t, columns, 30)
}

// fieldsDigest is FORMAT.md's digest over LENGTH:TEXT; of each.
func fieldsDigest(fields ...string) string {
	h := sha256.New()
	for _, f := range fields {
		_, _ = fmt.Fprintf(h, "%d:%s;", len(f), f) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestDigestsAreAsDocumented keeps the digests of stored samples stable: they
// identify runs.
func TestDigestsAreAsDocumented(t *testing.T) {
	t.Parallel()
	s := sample(key(nil), 0)
	s.Counters = map[string]int64{"b": 2, "a": -1}
	want := fieldsDigest(s.Key.Digest(), "0", "18364758544493064720", "valid", "", "1000000", "200000", "700000",
		"host", "sha256:4444", "boot-0", "restore-0", "node-1", "1795341600", "1234567", "a note, with \"quotes\"", "a", "-1", "b", "2")
	require.Equal(t, want, results.Digest(s))
	require.Equal(t, fieldsDigest("fibonacci-go", "sha256:1111", "default", "host-test", "sha256:2222", "warm", "sha256:3333"), s.Key.Digest())

	other := sample(key(nil), 1)
	first, second := min(want, results.Digest(other)), max(want, results.Digest(other))
	for _, set := range [][]servicetime.Sample{{s, other}, {other, s}} {
		require.Equal(t, fieldsDigest(first, second), results.SetDigest(set))
	}
}
