package host

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"microcosm/gem5bridge"
	"microcosm/gem5bridge/process"
)

// machine is what there is to know of the computer before it measures.
type machine struct {
	platform gem5bridge.Platform
	kernel   string // release
	boot     string // id of the running boot
	host     string // name

	core    int   // where functions run
	clients []int // where everything else of the plugin runs; core itself if it is the only one

	lastLevel int64 // bytes of the last-level cache; 0 if the kernel does not tell
}

// shared says that the client runs on the functions' core, since there is no
// other.
func (m *machine) shared() bool { return slices.Contains(m.clients, m.core) }

// flushBytes is how much data and how much code a flush walks: twice the
// last-level cache, and no more than 64 MiB.
func (m *machine) flushBytes() int64 {
	const most = 64 << 20
	if m.lastLevel == 0 {
		return most
	}
	return min(2*m.lastLevel, most)
}

// inspect reads what the kernel tells below root, which is "/" but for tests.
func inspect(root string, cores []int) (*machine, error) {
	cpuinfo, err := os.ReadFile(filepath.Join(root, "proc/cpuinfo"))
	if err != nil {
		return nil, fmt.Errorf("read the machine's description: %w", err)
	}
	boot, err := os.ReadFile(filepath.Join(root, "proc/sys/kernel/random/boot_id"))
	if err != nil {
		return nil, fmt.Errorf("read the machine's boot id: %w", err)
	}
	m := &machine{boot: strings.TrimSpace(string(boot))}
	m.core, m.clients = chooseCores(cores, siblings(root, cores[len(cores)-1]))
	model := cpuModel(cpuinfo)
	parameters := map[string]string{"cpu.model": model, "cpu.cores": strconv.Itoa(bytes.Count(cpuinfo, []byte("processor\t")))}
	if m.shared() {
		parameters["client"] = "on the functions' core"
	}
	m.lastLevel = readCaches(root, m.core, parameters)
	governor, err := os.ReadFile(filepath.Join(root, fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", m.core)))
	if err == nil { // virtual machines have none
		parameters["cpu.governor"] = strings.TrimSpace(string(governor))
	}
	m.platform = gem5bridge.Platform{Name: "host-" + slug(model), Digest: digest(parameters), ISA: runtime.GOARCH, Parameters: parameters}
	return m, nil
}

// newMachine inspects this machine.
func newMachine() (*machine, error) {
	cores, err := process.Cores()
	if err != nil {
		return nil, err
	}
	m, err := inspect("/", cores)
	if err != nil {
		return nil, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, fmt.Errorf("read the kernel's release: %w", err)
	}
	m.kernel = unix.ByteSliceToString(name.Release[:])
	m.host = unix.ByteSliceToString(name.Nodename[:])
	return m, nil
}

// chooseCores gives the last core to the functions, since interrupts prefer the
// first ones, and the others to the client, without those that share execution
// units with it unless there are no others.
func chooseCores(cores, siblings []int) (core int, clients []int) {
	core = cores[len(cores)-1]
	others := slices.DeleteFunc(slices.Clone(cores), func(c int) bool { return c == core })
	apart := slices.DeleteFunc(slices.Clone(others), func(c int) bool { return slices.Contains(siblings, c) })
	switch {
	case len(apart) > 0:
		return core, apart
	case len(others) > 0:
		return core, others
	default:
		return core, []int{core}
	}
}

// siblings returns the hardware threads of the core that core is on; nil where
// the kernel does not tell.
func siblings(root string, core int) []int {
	text, err := os.ReadFile(filepath.Join(root, fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", core)))
	if err != nil {
		return nil
	}
	return parseCPUList(strings.TrimSpace(string(text)))
}

// parseCPUList reads the kernel's lists, "0-3,8"; nil for what is none.
func parseCPUList(text string) []int {
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(low)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(high)
		}
		const mostCores = 1 << 13
		if err != nil || first < 0 || last < first || last >= mostCores {
			return nil
		}
		for core := first; core <= last; core++ {
			list = append(list, core)
		}
	}
	return list
}

// readCaches adds the caches of core to parameters and returns the size of the
// last level, 0 if the kernel does not tell.
func readCaches(root string, core int, parameters map[string]string) int64 {
	indexes, err := filepath.Glob(filepath.Join(root, fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index*", core)))
	if err != nil {
		return 0 // cannot be: the pattern is well formed
	}
	read := func(index, name string) string {
		text, _ := os.ReadFile(filepath.Join(index, name)) // no text, no cache
		return strings.TrimSpace(string(text))
	}
	var lastLevel, last int64
	for _, index := range indexes {
		level, err := strconv.ParseInt(read(index, "level"), 10, 64)
		size, ok := parseSize(read(index, "size"))
		if err != nil || !ok {
			continue
		}
		suffix := map[string]string{"Data": "d", "Instruction": "i"}[read(index, "type")]
		parameters[fmt.Sprintf("cache.l%d%s", level, suffix)] = strconv.FormatInt(size, 10)
		if level > lastLevel {
			lastLevel, last = level, size
		}
	}
	return last
}

// parseSize reads the kernel's sizes of caches, "48K".
func parseSize(text string) (int64, bool) {
	shift := 0
	for suffix, s := range map[string]int{"K": 10, "M": 20, "G": 30} {
		if digits, found := strings.CutSuffix(text, suffix); found {
			text, shift = digits, s
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > 1<<50>>shift {
		return 0, false
	}
	return n << shift, true
}

// cpuModel returns the model's name of /proc/cpuinfo, on Arm the implementer's
// and the part's numbers.
func cpuModel(cpuinfo []byte) string {
	fields := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(cpuinfo))
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), ":")
		name = strings.TrimSpace(name)
		if _, seen := fields[name]; found && !seen {
			fields[name] = strings.TrimSpace(value)
		}
	}
	switch {
	case fields["model name"] != "":
		return fields["model name"]
	case fields["CPU part"] != "":
		return fmt.Sprintf("Arm %s %s", fields["CPU implementer"], fields["CPU part"])
	default:
		return "unknown " + runtime.GOARCH
	}
}

// slug makes a model's name fit for a platform's: "Intel(R) Xeon(R) Gold 6448Y
// CPU @ 2.10GHz" becomes "intel-xeon-gold-6448y".
func slug(model string) string {
	name, _, _ := strings.Cut(model, "@")
	for _, noise := range []string{"(R)", "(TM)", "(r)", "(tm)", "CPU"} {
		name = strings.ReplaceAll(name, noise, " ")
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if len(words) == 0 {
		return "unknown"
	}
	return strings.Join(words, "-")
}

// digest returns the SHA-256 of the parameters, in the order of their names.
func digest(parameters map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		fmt.Fprintf(h, "%q=%q\n", name, parameters[name]) //nolint:errcheck // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}
