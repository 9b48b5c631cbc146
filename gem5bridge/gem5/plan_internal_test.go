package gem5

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/platforms"
	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/supervisor"
	"microcosm/images"
	guest "microcosm/images/guest/job"
	"microcosm/images/isa"
	"microcosm/images/rootfs"
)

// conditions are one of every kind that gem5 can produce.
var conditions = []string{"cold", "warm", "lukewarm:1", "lukewarm:16", "flush", "flush:l1i+btb", "stressor:65537", "stage:create", "stage:init"}

// TestSamplesComeFromSixRestoresOfBothBoots plans any number of samples of any
// condition: nothing is planned twice or left out, and restores and boots are as many
// as the package promises.
func TestSamplesComeFromSixRestoresOfBothBoots(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom(conditions).Draw(t, "condition")
		count := rapid.IntRange(1, 500).Draw(t, "count")
		first := rapid.IntRange(0, 1000).Draw(t, "first")
		condition, err := servicetime.ParseCondition(word)
		require.NoError(t, err)
		c := &cell{Cell: gem5bridge.Cell{Function: "f", Input: "default", Condition: condition, First: first, Count: count}, next: first}
		g := &group{cells: []*cell{c}}
		byBoot, runs, next := map[int]int{}, 0, first
		least, most := count, 0
		for task, more := g.task(); more; task, more = g.task() {
			for _, n := range task.numbers[0] {
				require.Equal(t, next, n, "in order and without a gap")
				next++
			}
			byBoot[task.number%boots] += task.size()
			least, most = min(least, task.size()), max(most, task.size())
			runs++
		}
		require.Equal(t, first+count, next)
		require.GreaterOrEqual(t, runs, min(count, restores))
		require.LessOrEqual(t, most-least, 1, "runs are as even as can be")
		require.LessOrEqual(t, most, perRestore)
		if count > 1 {
			require.Len(t, byBoot, boots)
			// Two runs in a row differ by a sample at most.
			require.LessOrEqual(t, max(byBoot[0], byBoot[1])-min(byBoot[0], byBoot[1]), most+runs/2, "neither boot outweighs the other: %v", byBoot)
		}
		switch condition.Kind {
		case servicetime.Cold, servicetime.Flush, servicetime.StageCreate, servicetime.StageInit:
			require.Equal(t, count, runs, "only a fresh machine gives one")
		}
		task, more := g.task()
		require.False(t, more)
		require.Zero(t, task.size())
	})
}

func TestAGroupThatWasGivenUpPlansNoMore(t *testing.T) {
	t.Parallel()
	given, other := cellOf(t, "cold", 4), cellOf(t, "stage:init", 4)
	g := &group{cells: []*cell{given, other}}
	_, more := g.task()
	require.True(t, more)
	given.stopped = true
	task, more := g.task()
	require.True(t, more)
	require.Empty(t, task.numbers[0])
	require.Len(t, task.numbers[1], 1, "the other cell of the group goes on")
	lead, first := task.lead()
	require.Same(t, other, lead)
	require.Equal(t, task.numbers[1][0], first)
	other.stopped = true
	_, more = g.task()
	require.False(t, more)
}

// TestOddIsMoreThanAFifthOffTheMedianSoFar compares the rule with the sentence.
func TestOddIsMoreThanAFifthOffTheMedianSoFar(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &cell{}
		var seen []float64
		for range rapid.IntRange(1, 30).Draw(t, "calls") {
			s := float64(rapid.IntRange(0, 20).Draw(t, "share")) / 20
			seen = append(seen, s)
			sorted := slices.Sorted(slices.Values(seen))
			middle := sorted[(len(sorted)-1)/2]
			far := s/middle > 1.2+1e-12 || s/middle < .8-1e-12
			near := s/middle < 1.2-1e-12 && s/middle > .8+1e-12
			odd := c.odd(share(s))
			switch {
			case middle == 0:
				require.False(t, odd, "nothing is off nothing")
			case far:
				require.True(t, odd, "%v of %v", s, seen)
			case near:
				require.False(t, odd, "%v of %v", s, seen)
			}
		}
	})
}

// TestEveryStepIsAJobThatTheGuestTakes makes the guest's job of every condition and
// reads it as the guest does.
func TestEveryStepIsAJobThatTheGuestTakes(t *testing.T) {
	t.Parallel()
	p := runsOn(t, "skylake-x86", nil).plan
	p.mix = []string{"aes-go", "auth-go", "fibonacci-go"}
	for _, word := range conditions {
		for _, count := range []int{1, 5} {
			c := cellOf(t, word, count)
			j := guest.Job{Format: guest.Format, ID: "measure-0-0", Seed: 7, Then: guest.Off, Steps: []guest.Step{c.step(count, 20, c.settle(1), p, "catalog")}}
			text, err := guest.Marshal(j)
			require.NoError(t, err, word)
			back, err := guest.Parse(text)
			require.NoError(t, err, word)
			s := back.Steps[0]
			require.Equal(t, "fibonacci-go", s.Function)
			require.Equal(t, 20, s.First, "other inputs than those of the warm-up")
			switch word {
			case "flush":
				require.Equal(t, 1, s.Count, "only the first call finds nothing")
			case "cold", "stage:create", "stage:init":
				require.Equal(t, count, s.Count)
			default:
				require.Equal(t, c.settle(1).Most+c.settle(1).Later+count, s.Count, "%s: enough calls, however late it settles", word)
			}
			if c.Condition.Kind == servicetime.Stressor {
				require.Equal(t, c.Condition.Bytes, s.Code+s.Data)
				require.LessOrEqual(t, s.Data-s.Code, int64(1))
			}
			if c.Condition.Kind == servicetime.Lukewarm {
				require.Equal(t, c.Condition.K, s.K)
				require.Len(t, s.Mix.Functions, 3)
			}
		}
	}
}

// TestWhatIsInAWarmCheckpoint: every condition of a function of the mix starts from
// the same, whatever the order of the mix.
func TestWhatIsInAWarmCheckpoint(t *testing.T) {
	t.Parallel()
	mix := []string{"aes-go", "auth-go", "fibonacci-go"}
	want := []guest.Target{{Function: "aes-go", Input: "default"}, {Function: "auth-go", Input: "default"}, {Function: "fibonacci-go", Input: "default"}}
	for _, word := range conditions {
		g := &group{cells: []*cell{cellOf(t, word, 1)}}
		require.Equal(t, want, g.targets(mix), word)
		require.Equal(t, want, g.targets([]string{"fibonacci-go", "auth-go", "aes-go"}), word)
		outside := &group{cells: []*cell{cellOf(t, word, 1)}}
		outside.cells[0].Function, outside.cells[0].Input = "geo", "large"
		alone := []guest.Target{{Function: "geo", Input: "large"}}
		if strings.HasPrefix(word, "lukewarm") {
			require.Equal(t, append(slices.Clone(want), alone...), outside.targets(mix), word)
		} else {
			require.Equal(t, alone, outside.targets(mix), "%s: who is not of the mix needs no others", word)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s, err := parseSettings(nil)
	require.NoError(t, err)
	require.Equal(t, settings{images: defaultImages(), checkpoints: 20 << 30, hang: 10 * time.Minute}, s)
	s, err = parseSettings(map[string]string{SettingGem5: "/opt/gem5", SettingImages: "/images", SettingCheckpoints: "1000", SettingHang: "90s", SettingFunctional: "4"})
	require.NoError(t, err)
	require.Equal(t, settings{images: "/images", checkpoints: 1000, hang: 90 * time.Second, functional: 4}, s)
	_, err = parseSettings(map[string]string{"colour": "red", SettingCheckpoints: "20GiB", SettingHang: "-1m", SettingFunctional: "0"})
	require.EqualError(t, err, strings.Join([]string{
		`invalid job: setting checkpoints "20GiB": want a number of bytes`,
		`invalid job: setting "colour": the gem5 back end knows gem5, images, checkpoints, hang and functional`,
		`invalid job: setting functional "0": want a number of calls, at least 1`,
		`invalid job: setting hang "-1m": want a positive duration like "10m"`,
	}, "\n"))
	for _, bad := range []map[string]string{
		{SettingCheckpoints: "0"}, {SettingCheckpoints: "-1"}, {SettingCheckpoints: "9223372036854775808"}, {SettingHang: "10"}, {SettingHang: "0s"}, {SettingFunctional: "many"},
	} {
		_, err := parseSettings(bad)
		require.ErrorIs(t, err, gem5bridge.ErrInvalidJob, "%v", bad)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	require.Equal(t, 3, slots(gem5bridge.Job{Slots: 3}))
	require.Equal(t, runtime.NumCPU(), slots(gem5bridge.Job{}))
}

func TestWhatOfInterleavingIsFunctional(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from int
		word string
		want bool
	}{{0, "lukewarm:99", false}, {4, "lukewarm:3", false}, {4, "lukewarm:4", true}, {1, "lukewarm:1", true}, {1, "warm", false}, {1, "flush", false}} {
		r := runsOn(t, "skylake-x86", nil)
		r.settings.functional = c.from
		condition, err := servicetime.ParseCondition(c.word)
		require.NoError(t, err)
		require.Equal(t, c.want, (&session{runs: r}).functionally(condition), "from %d on, %s", c.from, c.word)
	}
}

// TestTheStackIsOfAllThatRunsBelow changes each part: every change is another stack,
// and what is above a function's platform or beside it is none.
func TestTheStackIsOfAllThatRunsBelow(t *testing.T) {
	t.Parallel()
	base := func() guestImage {
		return guestImage{isa: isa.X86, folder: "/images/x86_64", manifest: images.Manifest{
			ISA: isa.X86, Agent: "agent", Kernel: images.Kernel{Version: "6.1", ELF: images.Part{Name: "vmlinux", Digest: "kernel"}},
			Layers:    []rootfs.Layer{{Name: "base", Digest: "1"}, {Name: "runtimes", Digest: "2"}},
			Functions: []images.Part{{Name: "aes-go", Digest: "3"}}, Disk: images.Part{Digest: "disk"},
		}}
	}
	plain := base().stack("24.0.0.1", 0)
	for name, change := range map[string]func(*guestImage){
		"the folder": func(g *guestImage) { g.folder = "/elsewhere" },
		"a function": func(g *guestImage) { g.manifest.Functions[0].Digest = "another" },
		"one more":   func(g *guestImage) { g.manifest.Functions = append(g.manifest.Functions, images.Part{Name: "geo"}) },
		"the disk":   func(g *guestImage) { g.manifest.Disk.Digest = "with another function" },
		"an import": func(g *guestImage) {
			g.manifest.Layers = append([]rootfs.Layer{{Name: "oci-0123456789abcdef", Digest: "4"}}, g.manifest.Layers...)
		},
		"a kernel file": func(g *guestImage) { g.manifest.Kernel.ELF.Name = "vmlinux-6.1" },
	} {
		g := base()
		change(&g)
		require.Equal(t, plain, g.stack("24.0.0.1", 0), "%s is no part of the stack", name)
	}
	stacks := map[string]string{plain: "as it was", base().stack("24.0.0.2", 0): "gem5", base().stack("24.0.0.1", 1): "functional from 1", base().stack("24.0.0.1", 2): "functional from 2"}
	require.Len(t, stacks, 4)
	for name, change := range map[string]func(*guestImage){
		"ISA":               func(g *guestImage) { g.isa = isa.Arm },
		"kernel":            func(g *guestImage) { g.manifest.Kernel.ELF.Digest = "another" },
		"agent":             func(g *guestImage) { g.manifest.Agent = "another" },
		"a layer's content": func(g *guestImage) { g.manifest.Layers[1].Digest = "another" },
		"a layer's name":    func(g *guestImage) { g.manifest.Layers[1].Name = "another" },
		"a layer lost":      func(g *guestImage) { g.manifest.Layers = g.manifest.Layers[:1] },
		"layers exchanged":  func(g *guestImage) { slices.Reverse(g.manifest.Layers) },
		"digests exchanged": func(g *guestImage) { l := g.manifest.Layers; l[0].Digest, l[1].Digest = l[1].Digest, l[0].Digest },
		"agent and kernel":  func(g *guestImage) { g.manifest.Agent, g.manifest.Kernel.ELF.Digest = "kernel", "agent" },
		"a layer in another": func(g *guestImage) {
			g.manifest.Layers = []rootfs.Layer{{Name: "base\"=\"1\"\nlayer \"runtimes", Digest: "2"}}
		},
	} {
		g := base()
		change(&g)
		stack := g.stack("24.0.0.1", 0)
		require.Empty(t, stacks[stack], "%s is %s", name, stacks[stack])
		stacks[stack] = name
	}
}

func TestAFailedRunSaysHow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdict job.Verdict
		tail    []string
		kind    error
		want    string
	}{
		{job.Crash, []string{"warn: old", "fatal: out of cheese"}, nil, "abc ended with crash: because; gem5's last line: fatal: out of cheese"},
		{job.GuestHang, nil, nil, "abc ended with guest-hang: because"},
		{job.BootHang, nil, gem5bridge.ErrNotReady, "function not ready: abc ended with boot-hang: because"},
	} {
		err := verdictError(supervisor.Outcome{ID: "abc", Verdict: c.verdict, Text: "because", Tail: c.tail})
		require.EqualError(t, err, c.want)
		if c.kind != nil {
			require.ErrorIs(t, err, c.kind)
		}
	}
}

func TestANullCallThatWasMeasuredBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "null.json")
	_, ok := readNull(path)
	require.False(t, ok, "there is none")
	whole := nullCall{RoundTrip: 60, Busy: 20, Client: 30}
	text, err := json.Marshal(whole)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	null, ok := readNull(path)
	require.True(t, ok)
	require.Equal(t, whole, null)
	for _, text := range []string{"", "{", "[]", string(text[:len(text)-3]), `{"roundTrip":0,"busy":20,"client":30}`, `{"roundTrip":60,"busy":-1,"client":30}`, `{"roundTrip":60,"busy":20}`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, ok := readNull(path)
		require.False(t, ok, text)
	}
}

// TestWhatCannotBeEmptied tries every structure on every platform.
func TestWhatCannotBeEmptied(t *testing.T) {
	t.Parallel()
	for _, name := range platforms.Names() {
		r := runsOn(t, name, nil)
		for _, structure := range append(slices.Clone(structures), "rob", "L1I") {
			c, err := servicetime.ParseCondition("flush:" + structure)
			require.NoError(t, err)
			var want string
			_, hasL3 := r.platform.Parameters["l3.size"]
			_, predicts := r.platform.Parameters["predictor.btb"]
			switch {
			case !slices.Contains(structures, structure):
				want = fmt.Sprintf("gem5 cannot empty %q: it can l1i, l1d, l2, l3, iwalk, dwalk, tlb, btb", structure)
			case structure == "l3" && !hasL3:
				want = name + " has no l3"
			case structure == "btb" && !predicts:
				want = name + " predicts no branches"
			}
			require.Equal(t, want, r.unsupported(c), "%s of %s", structure, name)
		}
		for _, word := range conditions {
			c, err := servicetime.ParseCondition(word)
			require.NoError(t, err)
			if c.Kind != servicetime.FlushStructure {
				require.Empty(t, r.unsupported(c), word)
			}
		}
	}
}
