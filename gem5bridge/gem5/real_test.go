package gem5_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/gem5"
)

// realVariable is set by `make test-gem5`.
const realVariable = "MICROCOSM_TEST_GEM5"

// real returns the back end over the machine's own gem5 and images, or skips and
// says why.
func real(t *testing.T, platform string) *gem5bridge.Simulator {
	t.Helper()
	if os.Getenv(realVariable) == "" {
		t.Skip("real gem5: run make test-gem5")
	}
	if _, err := gem5.Find(t.Context(), ""); err != nil {
		t.Skipf("real gem5: skipped: %v", err)
	}
	s := bridgetest.Connect(t, bridgetest.Plugin("gem5"))
	if _, err := s.Describe(t.Context(), gem5bridge.Setup{Platform: platform}); err != nil {
		t.Skipf("real gem5: skipped: %v", err)
	}
	return s
}

// taken is a container image that was taken in as it is: make images-imported.
const taken = "fibonacci-go-imported"

// TestRealGem5 boots both ISAs, measures two functions in the four conditions, and an
// imported one where the image has it, and checks what must hold whatever the numbers
// are.
func TestRealGem5(t *testing.T) {
	for _, platform := range []string{"skylake-x86", "neoverse-n1"} {
		t.Run(platform, func(t *testing.T) {
			s := real(t, platform)
			job := gem5bridge.Job{
				Setup: gem5bridge.Setup{Platform: platform}, Mix: goMix, Seed: 1, Deadline: 10 * time.Second,
			}
			job.Cells = slices.Concat(
				bridgetest.Cells(t, "fibonacci-go", 5, "warm", "lukewarm:4", "flush"), bridgetest.Cells(t, "aes-go", 5, "warm", "lukewarm:4", "flush"),
				bridgetest.Cells(t, "fibonacci-go", 1, "cold", "stage:create", "stage:init"),
			)
			d, err := s.Describe(t.Context(), job.Setup)
			require.NoError(t, err)
			importedToo := d.Images[taken] != ""
			if importedToo { // of the mix, so that it shares the others' checkpoints
				job.Mix.Functions = append(slices.Clone(job.Mix.Functions), taken)
				job.Cells = append(job.Cells, bridgetest.Cells(t, taken, 1, "warm")...)
			} else {
				t.Logf("imported functions are skipped: the image has no %s: run make images-imported", taken)
			}
			begin := time.Now()
			by, err := bridgetest.Sample(t, s, job)
			require.NoError(t, err)
			t.Logf("%d samples in %v", len(by[servicetime.Valid]), time.Since(begin))
			times := map[string][]servicetime.Ticks{}
			for _, one := range by[servicetime.Valid] {
				place := one.Key.Function + " " + one.Key.Condition.String()
				times[place] = append(times[place], one.Service())
			}
			for _, place := range slices.Sorted(func(yield func(string) bool) {
				for place := range times {
					if !yield(place) {
						return
					}
				}
			}) {
				slices.Sort(times[place])
				t.Logf("%-30s %v", place, times[place])
			}
			for _, function := range []string{"fibonacci-go", "aes-go"} {
				warm, flush := times[function+" warm"], times[function+" flush"]
				require.Less(t, warm[len(warm)-1], flush[0], "%s: every flushed call takes longer than any warm one", function)
			}

			if importedToo {
				require.Less(t, times[taken+" warm"][0], times["fibonacci-go flush"][0], "it is the same program")
			}

			job.Cells = bridgetest.Cells(t, "fibonacci-go", 1, "warm")
			again, err := bridgetest.Sample(t, s, job)
			require.NoError(t, err)
			first := slices.IndexFunc(by[servicetime.Valid], func(one servicetime.Sample) bool {
				return one.Key == again[servicetime.Valid][0].Key && one.N == 0
			})
			require.GreaterOrEqual(t, first, 0)
			require.Equal(t, by[servicetime.Valid][first].RoundTrip, again[servicetime.Valid][0].RoundTrip,
				"one checkpoint and one seed give identical ticks")
		})
	}
}
