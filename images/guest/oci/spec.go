package oci

// The part of the OCI runtime specification 1.0.2 (config.md, config-linux.md)
// that is used here.

type spec struct {
	Version  string  `json:"ociVersion"`
	Hostname string  `json:"hostname"`
	Process  process `json:"process"`
	Root     root    `json:"root"`
	Mounts   []mount `json:"mounts"`
	Linux    linux   `json:"linux"`
}

type process struct {
	User            user         `json:"user"`
	Args            []string     `json:"args"`
	Env             []string     `json:"env"`
	Dir             string       `json:"cwd"`
	Capabilities    capabilities `json:"capabilities"`
	NoNewPrivileges bool         `json:"noNewPrivileges"`
}

type user struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

type capabilities struct {
	Bounding    []string `json:"bounding"`
	Effective   []string `json:"effective"`
	Inheritable []string `json:"inheritable"`
	Permitted   []string `json:"permitted"`
	Ambient     []string `json:"ambient"`
}

type root struct {
	Path     string `json:"path"`
	Readonly bool   `json:"readonly"`
}

type mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options,omitempty"`
}

// mounts are those of a container: nothing of the disk can be written.
func mounts(f Function) []mount {
	list := []mount{
		{"/proc", "proc", "proc", nil},
		{"/dev", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{"/dev/shm", "tmpfs", "shm", []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{"/sys", "sysfs", "sysfs", []string{"nosuid", "noexec", "nodev", "ro"}},
		{"/tmp", "tmpfs", "tmpfs", []string{"nosuid", "nodev", "mode=1777"}},
	}
	for _, dir := range f.Writable {
		list = append(list, mount{dir, "tmpfs", "tmpfs", []string{"nosuid", "nodev", "mode=1777"}})
	}
	return list
}

type linux struct {
	Namespaces    []namespace `json:"namespaces"`
	CgroupsPath   string      `json:"cgroupsPath"`
	Resources     resources   `json:"resources"`
	MaskedPaths   []string    `json:"maskedPaths"`
	ReadonlyPaths []string    `json:"readonlyPaths"`
}

type namespace struct {
	Type string `json:"type"`
	Path string `json:"path,omitempty"` // empty: a new one
}

type resources struct {
	CPU    cpu     `json:"cpu"`
	Memory *memory `json:"memory,omitempty"`
}

type cpu struct {
	Cores string `json:"cpus"`
	Nodes string `json:"mems"`
}

type memory struct {
	Limit int64 `json:"limit"`
}
