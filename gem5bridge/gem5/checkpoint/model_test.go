package checkpoint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/gem5/checkpoint"
)

// sized makes a checkpoint of that many bytes.
func sized(n int) func(string) error {
	return func(path string) error {
		return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(filepath.Join(path, "m5.cpt"), []byte(strings.Repeat("x", n)), 0o600))
	}
}

// bytesOf is what an entry takes on the disk, its manifest included.
func bytesOf(t require.TestingT, dir string) (sum int64) {
	require.NoError(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		sum += info.Size()
		return err
	}))
	return sum
}

// model is the least recently used cache of the textbook.
type model struct {
	limit int64
	order []string // the least recently used first
	bytes map[string]int64
	held  map[string]int
}

func (m *model) total() (sum int64) {
	for _, name := range m.order {
		sum += m.bytes[name]
	}
	return sum
}

// used moves a name to the end.
func (m *model) used(name string) {
	m.order = append(slices.DeleteFunc(m.order, func(n string) bool { return n == name }), name)
}

// evict removes from the front what is neither held nor the one just made.
func (m *model) evict(made string) {
	for _, name := range slices.Clone(m.order) {
		if m.total() <= m.limit {
			return
		}
		if name != made && m.held[name] == 0 {
			m.order = slices.DeleteFunc(m.order, func(n string) bool { return n == name })
		}
	}
}

// TestTheCacheIsThatOfTheTextbook does random things to the cache and to the model:
// after each both hold the same.
func TestTheCacheIsThatOfTheTextbook(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f"}
	for seed := range uint64(12) {
		draw := rand.New(rand.NewPCG(seed, 0))
		m := &model{limit: []int64{0, 1500, 2500, 4000}[seed%4], bytes: map[string]int64{}, held: map[string]int{}}
		c, dir := open(t, m.limit)
		held := map[string][]checkpoint.Checkpoint{}
		for step := range 20 {
			name := names[draw.IntN(len(names))]
			present := slices.Contains(m.order, name)
			found := get(t, c, key("name="+name), sized([]int{10, 300, 900}[draw.IntN(3)]))
			require.Equal(t, !present, found.Made)
			held[name] = append(held[name], found)
			m.held[name]++
			m.used(name)
			if found.Made {
				m.bytes[name] = bytesOf(t, filepath.Dir(found.Dir))
				m.evict(name)
			}
			for _, name := range names {
				all := held[name]
				for len(all) > 0 && draw.IntN(5) > 0 { // most are let go of soon
					all[0].Release()
					all = all[1:]
					m.held[name]--
				}
				held[name] = all
			}
			for _, name := range names {
				_, err := os.Stat(filepath.Join(dir, key("name="+name).Digest(), "manifest.json"))
				require.Equal(t, slices.Contains(m.order, name), err == nil, "seed %d, step %d: %s, in the order of use: %v", seed, step, name, m.order)
			}
		}
		for _, all := range held {
			for _, found := range all {
				require.DirExists(t, found.Dir, "it is in use")
				found.Release()
			}
		}
	}
}

func TestTheLimitIsKeptOnceNothingIsInUse(t *testing.T) {
	t.Parallel()
	c, dir := open(t, 3000)
	var kept []checkpoint.Checkpoint
	for i := range 6 {
		kept = append(kept, get(t, c, key(fmt.Sprintf("n=%d", i)), sized(1000)))
	}
	require.Greater(t, bytesOf(t, dir), int64(6000), "what is in use stays")
	for _, one := range kept {
		one.Release()
	}
	get(t, c, key("n=7"), sized(1000)).Release()
	require.LessOrEqual(t, bytesOf(t, dir), int64(3000))
}

func TestTheIDIsOfTheContent(t *testing.T) {
	t.Parallel()
	id := func(kind string, build func(string) error) string {
		c, _ := open(t, 1<<20)
		found := get(t, c, checkpoint.Key{Kind: kind, Parts: map[string]string{"kernel": "1"}}, build)
		defer found.Release()
		return found.ID
	}
	same := id("boot", sized(7))
	require.Equal(t, same, id("boot", sized(7)))
	require.Regexp(t, `^boot-[0-9a-f]{16}$`, same)
	deep := func(name, text string) func(string) error {
		return func(path string) error {
			return errors.Join(os.MkdirAll(filepath.Join(path, "pmem"), 0o755), os.WriteFile(filepath.Join(path, name), []byte(text), 0o600))
		}
	}
	seen := map[string]bool{same: true}
	for _, other := range []string{
		id("warm", sized(7)), id("boot", sized(8)), id("boot", deep("m5.cpt", "x")), id("boot", deep("m5.cpu", "x")), id("boot", deep("pmem/m5.cpt", "x")),
	} {
		require.False(t, seen[other])
		seen[other] = true
	}
}

// TestDamageBelowAFolderIsSeen changes what lies deeper than the first level, as
// gem5's memory does.
func TestDamageBelowAFolderIsSeen(t *testing.T) {
	t.Parallel()
	c, _ := open(t, 1<<20)
	build := func(path string) error {
		return errors.Join(os.MkdirAll(filepath.Join(path, "a", "b"), 0o755), os.WriteFile(filepath.Join(path, "a", "b", "memory"), []byte("state"), 0o600))
	}
	first := get(t, c, key("kernel=1"), build)
	first.Release()
	time.Sleep(150 * time.Millisecond) // longer than file times are coarse
	get(t, c, key("kernel=1"), build).Release()
	memory := filepath.Join(first.Dir, "a", "b", "memory")
	info, err := os.Stat(memory)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(memory, []byte("stare"), 0o600))
	require.NoError(t, os.Chtimes(memory, info.ModTime(), info.ModTime()), "neither size nor time gives it away")
	again := get(t, c, key("kernel=1"), build)
	again.Release()
	require.True(t, again.Made)
	text, err := os.ReadFile(memory)
	require.NoError(t, err)
	require.Equal(t, "state", string(text))
}

// TestWhatIsNoEntryIsLeftAlone has files of others in the folder: they count for
// nothing, and nobody removes them.
func TestWhatIsNoEntryIsLeftAlone(t *testing.T) {
	t.Parallel()
	c, dir := open(t, 1)
	notes := filepath.Join(dir, "notes.txt")
	folder := filepath.Join(dir, "boot-0000", "checkpoint")
	require.NoError(t, os.WriteFile(notes, []byte("mine"), 0o600))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	long := time.Now().Add(-1000 * time.Hour)
	require.NoError(t, os.Chtimes(notes, long, long))
	for i := range 3 {
		get(t, c, key(fmt.Sprintf("n=%d", i)), sized(100)).Release()
	}
	require.FileExists(t, notes)
	require.DirExists(t, folder)
	require.NoDirExists(t, filepath.Join(dir, key("n=1").Digest()), "though the limit is hopeless, only the last stays")
	require.DirExists(t, filepath.Join(dir, key("n=2").Digest()))
}

func TestWhereNoCacheCanBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := checkpoint.Open(filepath.Join(file, "cache"), 1)
	require.ErrorContains(t, err, "open the checkpoints: ")
	require.ErrorContains(t, err, file)

	c, dir := open(t, 1)
	require.NoError(t, os.RemoveAll(dir))
	_, err = c.Get(t.Context(), key("n=1"), sized(1))
	require.ErrorContains(t, err, "checkpoint "+key("n=1").Digest())
	require.ErrorIs(t, err, fs.ErrNotExist)
}
