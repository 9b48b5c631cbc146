//go:build linux

package guest_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images"
	"microcosm/images/guest"
	"microcosm/images/guest/job"
)

// booted boots the image that GUEST_IMAGE names, in QEMU, with a job.
func booted(t *testing.T, out string, m images.Manifest, j job.Job) ([]job.Record, error) {
	t.Helper()
	text, err := job.Marshal(j)
	require.NoError(t, err)
	var console bytes.Buffer
	result, err := images.Boot(context.Background(), images.Options{ISA: m.ISA, Out: out}, images.BootOptions{
		Job: text, Ready: guest.Up, Deadline: 8 * time.Minute, Console: &console,
	})
	require.NoError(t, err)
	t.Logf("%s: up after %.1f s, %.1f s in all", m.ISA, result.Ready.Seconds(), result.Wall.Seconds())
	records, err := job.ReadRecords(&console)
	if err != nil || records[len(records)-1].Status != job.OK {
		t.Logf("the end of the console:\n%s", result.Tail)
	}
	return records, err
}

// Every function of an image, in containers, in every mode, replies checked.
func TestGuestRunsEveryFunctionOfAnImage(t *testing.T) {
	out := os.Getenv("GUEST_IMAGE")
	if out == "" {
		t.Skip("boots an image in QEMU: build one and set GUEST_IMAGE to its directory, as images/out/arm64")
	}
	out, err := filepath.Abs(out)
	require.NoError(t, err)
	m, err := images.ReadManifest(out)
	require.NoError(t, err)
	mix := job.Mix{Name: "image"}
	for _, f := range m.Functions {
		mix.Functions = append(mix.Functions, job.Target{Function: f.Name})
	}
	j := job.Job{Format: job.Format, ID: "every-function", Seed: 1, Then: job.Off}
	for _, f := range m.Functions {
		j.Steps = append(j.Steps, job.Step{Mode: job.Cold, Function: f.Name, Count: 1}, job.Step{Mode: job.Warm, Function: f.Name, Warmup: 2, Count: 5})
		if len(m.Functions) > 1 {
			j.Steps = append(j.Steps, job.Step{Mode: job.Lukewarm, Function: f.Name, Warmup: 1, Count: 2, K: 2, Mix: mix})
		}
		j.Steps = append(j.Steps, job.Step{Mode: job.Stressor, Function: f.Name, Count: 1, Code: 64 << 10, Data: 64 << 10})
	}
	records, err := booted(t, out, m, j)
	require.NoError(t, err)
	end := records[len(records)-1]
	require.Equal(t, job.OK, end.Status, end.Reason)
	measured := map[string]int{}
	worked := map[string][2]int64{} // where the kernel's clock is coarse, one call may show as none
	for _, r := range records {
		if r.Kind != job.Call || r.Phase != job.Measured {
			continue
		}
		measured[r.Function]++
		t.Logf("%-22s %-16s %9.3f ms, core 0 %6d us, core 1 %6d us", r.Function, r.Condition, float64(r.Nanos)/1e6, r.Cores[0].Micros, r.Cores[1].Micros)
		w := worked[r.Function]
		worked[r.Function] = [2]int64{w[0] + r.Cores[0].Micros, w[1] + r.Cores[1].Micros}
	}
	for _, f := range m.Functions {
		require.GreaterOrEqual(t, measured[f.Name], 7, f.Name)
		require.Positive(t, worked[f.Name][0], "the client of %s worked on core 0", f.Name)
		require.Positive(t, worked[f.Name][1], "%s worked on core 1", f.Name)
	}
}

// A function that is not in the image fails the job, with its name and reason.
func TestGuestTellsOfFailures(t *testing.T) {
	out := os.Getenv("GUEST_IMAGE")
	if out == "" {
		t.Skip("boots an image in QEMU: build one and set GUEST_IMAGE to its directory, as images/out/arm64")
	}
	m, err := images.ReadManifest(out)
	require.NoError(t, err)
	records, err := booted(t, out, m, job.Job{
		Format: job.Format, ID: "missing", Then: job.Checkpoint, Steps: []job.Step{{Mode: job.Warm, Function: "sleeping", Count: 1}},
	})
	require.NoError(t, err)
	end := records[len(records)-1]
	require.Equal(t, job.Failed, end.Status)
	require.Contains(t, end.Reason, "sleeping is not in the image: stage it")
}
