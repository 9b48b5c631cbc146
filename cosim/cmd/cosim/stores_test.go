package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

// assortment is a few dozen keys with samples of every status.
func assortment() []servicetime.Sample {
	random := rand.New(rand.NewPCG(5, 5))
	var samples []servicetime.Sample
	for _, function := range []string{"aes-go", "auth-go"} {
		for _, input := range []string{"default", "long"} {
			for _, platform := range []string{"board-7", "board-8"} {
				for _, condition := range []string{"warm", "lukewarm:4", "flush"} {
					for _, stack := range []string{"s", "t"} {
						for n := range random.IntN(4) {
							s := sampleOf(function, condition, n, 100+random.IntN(900))
							s.Key.Input, s.Key.Platform, s.Key.Stack = input, platform, stack
							if random.IntN(4) == 0 {
								s.Status, s.Reason, s.Busy = servicetime.Censored, "no reply", 0
							}
							samples = append(samples, s)
						}
					}
				}
			}
		}
	}
	return samples
}

// TestStoreFlagsPickWhatTheySay compares every verb's filter with a plain loop over
// all samples.
func TestStoreFlagsPickWhatTheySay(t *testing.T) {
	workplace(t, nil)
	samples := assortment()
	keep(t, "mine.db", samples...)
	random := rand.New(rand.NewPCG(6, 6))
	flags := map[string]func(servicetime.Key) string{
		"--function":  func(k servicetime.Key) string { return k.Function },
		"--input":     func(k servicetime.Key) string { return k.Input },
		"--platform":  func(k servicetime.Key) string { return k.Platform },
		"--condition": func(k servicetime.Key) string { return k.Condition.String() },
		"--stack":     func(k servicetime.Key) string { return k.Stack },
	}
	names := []string{"--function", "--input", "--platform", "--condition", "--stack"}
	for round := range 12 {
		like := samples[random.IntN(len(samples))].Key
		words := []string{"--store", "mine.db", "--own"}
		used := map[string]bool{}
		for _, name := range names {
			if random.IntN(2) == 0 {
				used[name] = true
				words = append(words, name, flags[name](like))
			}
		}
		want := map[servicetime.Key]results.KeySummary{}
		total := 0
		for _, s := range samples {
			if slices.ContainsFunc(names, func(name string) bool { return used[name] && flags[name](s.Key) != flags[name](like) }) {
				continue
			}
			total++
			k := want[s.Key]
			k.Key = s.Key
			if s.Status == servicetime.Valid {
				k.Valid++
			} else {
				k.Censored++
			}
			want[s.Key] = k
		}
		var got []results.KeySummary
		fromJSON(t, exitOK, &got, append([]string{"store", "list"}, words...)...)
		require.Len(t, got, len(want), words)
		for _, k := range got {
			require.Equal(t, want[k.Key].Valid, k.Valid, k.Key)
			require.Equal(t, want[k.Key].Censored, k.Censored, k.Key)
			require.Equal(t, want[k.Key].Valid == 0, k.Median == 0, k.Key)
		}
		folder := fmt.Sprint("picked", round)
		_, errs := cosim(t, exitOK, append([]string{"store", "export", folder}, words...)...)
		require.Contains(t, errs, fmt.Sprintf("%d samples: ", total))
		_, errs = cosim(t, exitOK, "store", "import", folder, "--store", fmt.Sprint(folder, ".db"))
		require.Contains(t, errs, fmt.Sprintf("%s: %d samples added, 0 were there", folder, total))
	}
}

func TestTheTableOfKeysSaysWhereThereIsNothingValid(t *testing.T) {
	workplace(t, nil)
	lost := sampleOf("aes-go", "flush", 0, 0)
	lost.Status, lost.Reason, lost.RoundTrip, lost.Busy = servicetime.Censored, "no reply", 5e9, 0
	keep(t, "mine.db", append(measured("aes-go", "warm", 3, 100), lost)...)
	out, _ := cosim(t, exitOK, "store", "list", "--own", "--store", "mine.db")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3)
	rows := map[string][]string{}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		rows[fields[3]] = fields
	}
	require.Equal(t, []string{"aes-go", "default", "board-7", "warm", "3", "0", "0", "3", "101µs", "s"}, rows["warm"])
	require.Equal(t, []string{"aes-go", "default", "board-7", "flush", "0", "1", "0", "0", "-", "s"}, rows["flush"])
}

// TestExportKeepsForeignFiles: by default what stands there with other content is
// named and left alone, all of it; --force replaces it; and what is the same already
// is not written again.
func TestExportKeepsForeignFiles(t *testing.T) {
	workplace(t, nil)
	keep(t, "mine.db", append(measured("aes-go", "warm", 3, 100), measured("auth-go", "warm", 3, 200)...)...)
	out, errs := cosim(t, exitOK, "store", "export", "out", "--own", "--store", "mine.db")
	files := strings.Fields(out)
	require.Len(t, files, 2)
	require.Contains(t, errs, "6 samples: 2 files written, 0 unchanged")
	whole := tree(t)
	out, errs = cosim(t, exitOK, "store", "export", "out", "--own", "--store", "mine.db")
	require.Empty(t, out)
	require.Contains(t, errs, "6 samples: 0 files written, 2 unchanged")

	write(t, map[string]string{files[0]: "mine", files[1]: "mine too"})
	before := tree(t)
	out, errs = cosim(t, exitFailed, "store", "export", "out", "--own", "--store", "mine.db")
	require.Empty(t, out)
	for _, file := range files {
		require.Contains(t, errs, file)
	}
	require.Equal(t, before, tree(t))
	cosim(t, exitOK, "store", "export", "out", "--own", "--store", "mine.db", "--force")
	require.Equal(t, whole, tree(t))

	cosim(t, exitOK, "store", "export", "all.parquet", "--own", "--store", "mine.db")
	write(t, map[string]string{"all.parquet": "mine"})
	_, errs = cosim(t, exitFailed, "store", "export", "all.parquet", "--own", "--store", "mine.db")
	require.Contains(t, errs, "all.parquet")
	require.Equal(t, "mine", tree(t)["all.parquet"])
}

// TestWhatIsSoundIsTakenBesideWhatIsNot: of several files each comes in wholly or
// not at all, and those that do not are named.
func TestWhatIsSoundIsTakenBesideWhatIsNot(t *testing.T) {
	workplace(t, nil)
	keep(t, "a.db", measured("aes-go", "warm", 3, 100)...)
	keep(t, "b.db", measured("auth-go", "warm", 4, 100)...)
	cosim(t, exitOK, "store", "export", "a", "--own", "--store", "a.db")
	cosim(t, exitOK, "store", "export", "b", "--own", "--store", "b.db")
	write(t, map[string]string{"damaged.db": "no database", "b/note.csv": "hello\n"})
	_, errs := cosim(t, exitFailed, "store", "merge", "a.db", "damaged.db", "b.db", "--store", "all.db")
	require.Contains(t, errs, "a.db: 3 samples and 0 runs added, 0 were there")
	require.Contains(t, errs, "b.db: 4 samples and 0 runs added, 0 were there")
	require.Contains(t, errs, "cosim: ")
	require.Contains(t, errs, "damaged.db")
	require.Equal(t, "no database", string(must(os.ReadFile("damaged.db"))))
	_, errs = cosim(t, exitOK, "store", "merge", "a.db", "b.db", "--store", "all.db")
	require.Contains(t, errs, "a.db: 0 samples and 0 runs added, 3 were there", "a merge may be repeated")

	_, errs = cosim(t, exitFailed, "store", "import", "b", "a", "--store", "imported.db")
	require.Contains(t, errs, "a: 3 samples added, 0 were there")
	require.Contains(t, errs, "b/note.csv")
	var keys []results.KeySummary
	fromJSON(t, exitOK, &keys, "store", "list", "--own", "--store", "imported.db")
	require.Len(t, keys, 1, "nothing of a folder of which a part is not sound")
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// TestCleaningUpRemovesWhatItSaidItWould: a dry run changes nothing and tells the
// same as the run after it; what ships with the program is no stack of one's own.
func TestCleaningUpRemovesWhatItSaidItWould(t *testing.T) {
	workplace(t, nil)
	samples := assortment()
	keep(t, "samples.db", samples...)
	doomed, keys := 0, map[servicetime.Key]bool{}
	for _, s := range samples {
		if s.Key.Stack == "t" {
			doomed++
			keys[s.Key] = true
		}
	}
	list := func(words ...string) (keys []results.KeySummary) {
		fromJSON(t, exitOK, &keys, append([]string{"store", "list"}, words...)...)
		return keys
	}
	before, shipped := list(), list("--collection", "recorded")
	var planned, done results.Collected
	fromJSON(t, exitOK, &planned, "store", "gc", "--keep-stack", "s", "--dry-run")
	require.Equal(t, []results.StackCount{{Stack: "t", Samples: doomed}}, planned.Stacks)
	require.Equal(t, len(keys), planned.Keys)
	require.Equal(t, before, list())
	out, _ := cosim(t, exitOK, "store", "gc", "--keep-stack", "s", "--dry-run")
	require.Contains(t, out, fmt.Sprintf("%d samples of stack t\n%d keys and ", doomed, len(keys)))
	fromJSON(t, exitOK, &done, "store", "gc", "--keep-stack", "s")
	require.Equal(t, planned.Stacks, done.Stacks)
	require.Equal(t, planned.Keys, done.Keys)
	require.LessOrEqual(t, done.After, done.Before)
	require.Empty(t, list("--stack", "t"))
	require.Equal(t, shipped, list("--collection", "recorded"))
	require.Len(t, list(), len(before)-len(keys))
	fromJSON(t, exitOK, &done, "store", "gc", "--keep-stack", "s")
	require.Empty(t, done.Stacks, "there is nothing left to remove")
}

// TestDamageIsFoundAndWhatIsSoundIsSaved, in the words and in the JSON.
func TestDamageIsFoundAndWhatIsSoundIsSaved(t *testing.T) {
	workplace(t, nil)
	keep(t, "mine.db", measured("aes-go", "warm", 30, 100)...)
	out, _ := cosim(t, exitOK, "store", "verify", "--store", "mine.db")
	require.Regexp(t, `mine\.db: no damage\n$`, out)
	path, err := filepath.Abs("mine.db")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 5 * 4096; i < 8*4096; i++ {
		text[i] = byte(i * 7)
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
	var findings []results.Finding
	fromJSON(t, exitFailed, &findings, "store", "verify", "--store", "mine.db")
	require.NotEmpty(t, findings)
	out, errs := cosim(t, exitFailed, "store", "verify", "--store", "mine.db")
	require.Equal(t, len(findings), strings.Count(out, "damage: "), out)
	require.Contains(t, errs, "cosim --store NEW store merge --salvage "+path)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text, after, "looking repairs nothing")
}

// TestSlowdownsByHand: 100 µs warm, 300 µs after a flush, cycles to match.
func TestSlowdownsByHand(t *testing.T) {
	workplace(t, nil)
	counted := func(samples []servicetime.Sample, cycles int64) []servicetime.Sample {
		for i := range samples {
			samples[i].RoundTrip, samples[i].Busy = samples[0].RoundTrip, samples[0].Busy
			samples[i].Counters = map[string]int64{servicetime.CounterCycles: cycles, servicetime.CounterInstructions: 1_000_000}
		}
		return samples
	}
	warm, flush, long := counted(measured("aes-go", "warm", 8, 100), 1_000_000), counted(measured("aes-go", "flush", 8, 300), 2_500_000), measured("aes-go", "warm", 2, 50)
	for i := range long {
		long[i].Key.Input = "long"
	}
	keep(t, "mine.db", slices.Concat(warm, flush, long)...)
	out, _ := cosim(t, exitOK, "store", "slowdown", "--own", "--store", "mine.db")
	lines := strings.Split(out, "\n")
	require.Equal(t, []string{"aes-go", "board-7", "warm", "8", "1.00", "[1.00,", "1.00]", "1.00", "1.00"}, strings.Fields(lines[1]))
	require.Equal(t, []string{"aes-go", "board-7", "flush", "8", "2.50", "[2.50,", "2.50]", "2.50", "[2.50,", "2.50]", "3.00", "[3.00,", "3.00]"}, strings.Fields(lines[2]))
	require.Equal(t, []string{"aes-go/long", "board-7", "warm", "2", "-"}, strings.Fields(lines[3])[:5])
	require.Equal(t, published, lines[4])

	var all []servicetime.Slowdown
	fromJSON(t, exitOK, &all, "store", "slowdown", "--own", "--store", "mine.db")
	require.Len(t, all, 3)
	fromJSON(t, exitOK, &all, "store", "slowdown", "--own", "--store", "mine.db", "--condition", "flush")
	require.Len(t, all, 1, "compared with warm, which is not shown")
	require.InDelta(t, 3, all[0].Service.Est, 1e-9)
	fromJSON(t, exitOK, &all, "store", "slowdown", "--own", "--store", "mine.db", "--condition", "cold")
	require.Empty(t, all)
}
