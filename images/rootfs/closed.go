package rootfs

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"microcosm/images/isa"
)

// closed returns an error for every shared library or interpreter that an ELF
// file of the first tree asks for and none of trees has in a place where the
// dynamic linker looks, and for every ELF file of another ISA.
func closed(i isa.ISA, trees []string) error {
	triplet := i.Multiarch()
	places := []string{"lib/" + triplet, "usr/lib/" + triplet, "lib", "usr/lib", "lib64"}
	var missing []error
	err := filepath.WalkDir(trees[0], func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		needs, err := elfNeeds(i, path)
		if err != nil {
			rel, _ := filepath.Rel(trees[0], path) // path is below it
			missing = append(missing, fmt.Errorf("/%s: %w", rel, err))
			return nil
		}
		for _, need := range needs {
			if !found(need, trees, places) {
				rel, _ := filepath.Rel(trees[0], path) // path is below it
				missing = append(missing, fmt.Errorf("/%s needs %s, which is in no package of the layer or below it", rel, need))
			}
		}
		return nil
	})
	return errors.Join(append([]error{err}, missing...)...)
}

// elfNeeds returns the interpreter (an absolute path) and the libraries that
// the file asks for; nothing where it is no ELF file.
func elfNeeds(i isa.ISA, path string) ([]string, error) {
	raw, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	magic := make([]byte, len(elf.ELFMAG))
	if _, err := raw.ReadAt(magic, 0); err != nil || string(magic) != elf.ELFMAG {
		return nil, nil // shorter than the magic, or not ELF
	}
	f, err := elf.NewFile(raw)
	if err != nil {
		return nil, err
	}
	if f.Machine != i.Machine() {
		return nil, fmt.Errorf("it is for %s, not %s", f.Machine, i.Machine())
	}
	if f.Type == elf.ET_REL {
		return nil, nil // an object of a static library
	}
	needs, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		interpreter := make([]byte, p.Filesz)
		if _, err := p.ReadAt(interpreter, 0); err != nil {
			return nil, err
		}
		needs = append(needs, strings.TrimRight(string(interpreter), "\x00"))
	}
	return needs, nil
}

// found reports whether some tree has the library in one of places, or the
// absolute path itself, following links inside the tree.
func found(need string, trees, places []string) bool {
	candidates := []string{need}
	if !filepath.IsAbs(need) {
		candidates = nil
		for _, place := range places {
			candidates = append(candidates, filepath.Join(place, need))
		}
	}
	return slices.ContainsFunc(candidates, func(c string) bool { return exists(c, trees, 8) })
}

// exists reports whether the file is there in the union of trees, as a container
// sees it.
func exists(path string, trees []string, hops int) bool {
	path = filepath.Join("/", path)
	for _, tree := range trees {
		info, err := os.Lstat(filepath.Join(tree, path))
		if err != nil {
			continue
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return info.Mode().IsRegular()
		}
		target, err := os.Readlink(filepath.Join(tree, path))
		if err != nil || hops == 0 {
			return false
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		return exists(target, trees, hops-1)
	}
	return false
}
