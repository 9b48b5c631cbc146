package rootfs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"microcosm/images/cache"
	"microcosm/images/isa"
	"microcosm/images/tool"
)

// deb is one resolved package.
type deb struct {
	name, version, sha256 string
}

// apt resolves and downloads packages of one ISA with a state of its own, so
// that neither the machine's apt nor a privilege is touched.
type apt struct {
	isa   isa.ISA
	cache *cache.Cache
	log   io.Writer
}

// uriLine is a line of apt-get download --print-uris: 'URI' file size digest.
var uriLine = regexp.MustCompile(`^'[^']+' ([a-z0-9.+-]+)_([^_ ]+)_[a-z0-9]+\.deb [0-9]+ SHA256:([0-9a-f]{64})$`)

// parseURIs reads what apt-get download --print-uris prints, by package.
func parseURIs(r io.Reader) (map[string]deb, error) {
	debs := map[string]deb{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		m := uriLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("apt-get printed %q, which is not a package's location", line)
		}
		// The epoch's colon is escaped in file names.
		version := strings.ReplaceAll(strings.ReplaceAll(m[2], "%3a", ":"), "%3A", ":")
		debs[m[1]] = deb{m[1], version, m[3]}
	}
	return debs, lines.Err()
}

// resolution is an answer of apt: the newest version of each package, and the
// state in which apt can download them.
type resolution struct {
	debs  map[string]deb // by name
	state string         // directory of apt's package lists
}

// resolve returns the newest version of each package, from the cache if the
// same packages were resolved before and no refresh is asked for.
func (a *apt) resolve(ctx context.Context, packages []string, refresh bool) (resolution, error) {
	recipe := cache.Recipe{
		Kind: "packages-" + a.isa.String(), Key: cache.Key(append([]string{"1"}, packages...)...), Need: 256 << 20,
		Build: func(dir string) error { return a.ask(ctx, packages, dir) },
	}
	if refresh {
		if err := a.cache.Forget(ctx, recipe); err != nil {
			return resolution{}, err
		}
	}
	dir, err := a.cache.Entry(ctx, recipe)
	if err != nil {
		return resolution{}, fmt.Errorf("resolve the %s packages: %w", a.isa, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "uris"))
	if err != nil {
		return resolution{}, fmt.Errorf("resolve the %s packages: %w", a.isa, err)
	}
	debs, err := parseURIs(bytes.NewReader(text))
	return resolution{debs, dir}, err
}

// ask fills dir with apt's state and, in the file uris, where packages are.
func (a *apt) ask(ctx context.Context, packages []string, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "lists", "partial"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return err
	}
	if err := tool.Run(ctx, a.command(dir, dir, "-o", "APT::Update::Error-Mode=any", "update")); err != nil {
		return fmt.Errorf("fetch Debian's package lists (is there a network?): %w", err)
	}
	out, err := tool.Output(ctx, a.command(dir, dir, append([]string{"download", "--print-uris"}, packages...)...))
	if err != nil {
		return err
	}
	debs, err := parseURIs(bytes.NewReader(out))
	if err != nil {
		return err
	}
	var missing []error
	for _, name := range packages {
		if _, ok := debs[name]; !ok {
			missing = append(missing, fmt.Errorf("no package %s in Debian for %s", name, a.isa.Debian()))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "uris"), out, 0o644)
}

// command is apt-get in dir on a state of its own, which it reads and, but for
// an update, does not change.
func (a *apt) command(state, dir string, args ...string) tool.Command {
	options := []string{
		"Dir::State=" + state, "Dir::State::status=" + filepath.Join(state, "status"), "Dir::Cache=" + dir,
		"Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=", "Debug::NoLocking=1",
		"Dir::Etc::preferences=/dev/null", "Dir::Etc::preferencesparts=/dev/null",
		"APT::Architecture=" + a.isa.Debian(), "APT::Architectures=" + a.isa.Debian(), "APT::Sandbox::User=",
		"Acquire::Languages=none", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "Acquire::Retries=3",
	}
	argv := []string{"apt-get", "-q"}
	for _, option := range options {
		argv = append(argv, "-o", option)
	}
	return tool.Command{Args: append(argv, args...), Dir: dir, Env: []string{"LC_ALL=C"}, Output: a.log}
}

const (
	poolKind = "debs"
	poolFile = "package.deb"
)

// fetch returns, per package, the path of its file in the cache's pool, where
// files are named by their digest. What is missing is downloaded.
func (a *apt) fetch(ctx context.Context, r resolution) (map[string]string, error) {
	files := map[string]string{}
	var missing []deb
	for name, d := range r.debs {
		dir := filepath.Join(a.cache.Root(), poolKind, d.sha256)
		files[name] = filepath.Join(dir, poolFile)
		if _, err := os.Stat(dir); err != nil {
			missing = append(missing, d)
		}
	}
	if len(missing) == 0 {
		return files, nil
	}
	if err := a.download(ctx, r.state, missing); err != nil {
		return nil, fmt.Errorf("download %d %s packages: %w", len(missing), a.isa, err)
	}
	return files, nil
}

// download brings debs into the pool.
func (a *apt) download(ctx context.Context, state string, debs []deb) (err error) {
	dir, remove, err := a.cache.Scratch("download")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	args := []string{"download"}
	for _, d := range debs {
		args = append(args, d.name+"="+d.version)
	}
	if err := tool.Run(ctx, a.command(state, dir, args...)); err != nil {
		return fmt.Errorf("%w (a version that Debian no longer has? make -C images rootfs REFRESH=1 takes the newest)", err)
	}
	for _, d := range debs {
		found, err := filepath.Glob(filepath.Join(dir, d.name+"_*.deb"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("apt-get downloaded %d files of %s, not one", len(found), d.name)
		}
		_, err = a.cache.Entry(ctx, cache.Recipe{Kind: poolKind, Key: d.sha256, Need: 64 << 20, Build: func(dir string) error {
			return os.Rename(found[0], filepath.Join(dir, poolFile))
		}})
		if err != nil {
			return err
		}
	}
	return nil
}
