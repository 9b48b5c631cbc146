//go:build linux

package guest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfined(t *testing.T) {
	t.Parallel()
	const none = "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n"
	const mounts = "20 1 0:9 / / ro,relatime - overlay overlay ro\n21 20 0:10 / /tmp rw - tmpfs tmpfs rw\n"
	for name, c := range map[string]struct {
		status, mounts, uts string
		want                string
	}{
		"as it should be":     {none + "Cpus_allowed_list:\t1\n", mounts, "uts:[7]", ""},
		"on every core":       {none + "Cpus_allowed_list:\t0-1\n", mounts, "uts:[7]", "Cpus_allowed_list is 0-1, not 1"},
		"with a capability":   {"CapEff:\t0000000000000400\n" + none[26:] + "Cpus_allowed_list:\t1\n", mounts, "uts:[7]", "CapEff is 0000000000000400"},
		"status says nothing": {"", mounts, "uts:[7]", "lacks 6 of the lines"},
		"a shared namespace":  {none + "Cpus_allowed_list:\t1\n", mounts, "uts:[1]", "shares the uts namespace"},
		"a root to write":     {none + "Cpus_allowed_list:\t1\n", "20 1 0:9 / / rw - overlay o ro\n", "uts:[7]", "not read-only"},
		"another network":     {none + "Cpus_allowed_list:\t1\n", mounts, "uts:[7]", "its network is net:[7], not net:[9]"},
		"a mount on top":      {none + "Cpus_allowed_list:\t1\n", mounts + "22 20 0:11 / / rw - tmpfs t rw\n", "uts:[7]", "not read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proc := t.TempDir()
			for _, p := range []struct{ pid, id string }{{"5", "[7]"}, {"self", "[1]"}} {
				require.NoError(t, os.MkdirAll(filepath.Join(proc, p.pid, "ns"), 0o755))
				for _, ns := range append([]string{"net"}, separate...) {
					target := ns + ":" + p.id
					if ns == "uts" && p.pid == "5" {
						target = c.uts
					} else if ns == "uts" {
						target = "uts:[1]"
					}
					require.NoError(t, os.Symlink(target, filepath.Join(proc, p.pid, "ns", ns)))
				}
			}
			require.NoError(t, os.WriteFile(filepath.Join(proc, "5", "status"), []byte(c.status), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(proc, "5", "mountinfo"), []byte(c.mounts), 0o644))
			network := "net:[7]"
			if name == "another network" {
				network = "net:[9]"
			}
			err := confined(proc, 5, 1, network)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	require.Error(t, confined("/proc", os.Getpid(), 1, ""), "this test shares everything with itself")
}
