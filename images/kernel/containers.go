package kernel

import (
	"errors"
	"fmt"
)

// feature is something a container needs of the kernel.
type feature struct {
	symbol string
	why    string
}

// required is moby's contrib/check-config.sh ("Generally Necessary" and those
// of "Optional Features" that OCI runtimes use), in its order, less what only a
// Docker daemon needs: iptables and bridge filtering for published ports, IPVS,
// overlay networks and storage drivers other than overlayfs. Guests run crun
// without a daemon, and netfilter hooks would tax every packet that is measured.
var required = []feature{
	{"NAMESPACES", "namespaces"},
	{"NET_NS", "a network of its own"},
	{"PID_NS", "processes of its own"},
	{"IPC_NS", "System V IPC of its own"},
	{"UTS_NS", "a host name of its own"},
	{"CGROUPS", "control groups"},
	{"CGROUP_CPUACCT", "CPU time per container"},
	{"CGROUP_DEVICE", "device access rules"},
	{"CGROUP_FREEZER", "pause"},
	{"CGROUP_SCHED", "CPU weight"},
	{"CPUSETS", "pinning to a core"},
	{"MEMCG", "memory limits"},
	{"KEYS", "session keyrings"},
	{"VETH", "a link into the container"},
	{"BRIDGE", "a network of containers"},
	{"POSIX_MQUEUE", "the runtime mounts /dev/mqueue"},
	{"CGROUP_BPF", "device access rules on cgroup v2"},
	{"USER_NS", "user ids of its own"},
	{"SECCOMP", "system call filters"},
	{"SECCOMP_FILTER", "system call filters"},
	{"CGROUP_PIDS", "limits on processes"},
	{"BLK_CGROUP", "I/O weight"},
	{"CFS_BANDWIDTH", "CPU quota"},
	{"FAIR_GROUP_SCHED", "CPU shares"},
	{"EXT4_FS", "the root file system"},
	{"OVERLAY_FS", "functions made of shared layers"},
	{"TMPFS", "/dev, /run and /tmp of a container"},
	{"DEVTMPFS", "/dev of the guest"},
	{"UNIX98_PTYS", "/dev/pts"},
	{"PROC_FS", "/proc"},
	{"SYSFS", "/sys"},
}

// Containers returns an error for every feature that OCI containers need and
// config lacks.
func Containers(config Config) error {
	var missing []error
	for _, f := range required {
		if config.Value(f.symbol) != "y" {
			missing = append(missing, fmt.Errorf("CONFIG_%s is %s: containers need it for %s", f.symbol, config.Value(f.symbol), f.why))
		}
	}
	if config.Value("MODULES") != "n" {
		missing = append(missing, errors.New("CONFIG_MODULES is y: guests load no modules, everything must be built in"))
	}
	return errors.Join(missing...)
}
