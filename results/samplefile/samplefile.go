// Package samplefile writes samples to files and reads them back: as text that
// diffs well, and as Parquet tables for analysis.
//
// It guarantees that reading what it wrote gives the same samples, every field
// and counter, and that writing them again gives the same bytes. Its readers are
// strict and report every mistake with its file and line. It knows no store:
// package results stores and selects. ../FORMAT.md documents both formats.
package samplefile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"microcosm/cosim/servicetime"
)

// Extensions of the two kinds of files.
const (
	TextExtension    = ".csv"
	ParquetExtension = ".parquet"
)

// File is the samples of one text file: one function and input on one platform
// and one stack.
type File struct {
	Name    string // path below the exported folder, with slashes
	Samples []servicetime.Sample
}

// Split sorts samples into the files an export consists of, in the order of
// their names: PLATFORM/FUNCTION.INPUT.csv, with a piece of the stack's digest
// before the extension where several stacks would share that name.
func Split(samples []servicetime.Sample) []File {
	groups := map[servicetime.Key][]servicetime.Sample{}
	names := map[string]int{}
	for _, s := range samples {
		group := groupOf(s.Key)
		if groups[group] == nil {
			names[stem(group)]++
		}
		groups[group] = append(groups[group], s)
	}
	files := make([]File, 0, len(groups))
	for group, members := range groups {
		name := stem(group)
		if names[name] > 1 {
			name += "." + digestOf(group)
		}
		slices.SortFunc(members, Compare)
		files = append(files, File{Name: name + TextExtension, Samples: members})
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return files
}

// groupOf returns the part of a key that all samples of one file share.
func groupOf(k servicetime.Key) servicetime.Key {
	k.Condition = servicetime.Condition{}
	return k
}

func stem(group servicetime.Key) string {
	return fileName(group.Platform) + "/" + fileName(group.Function) + "." + fileName(group.Input)
}

// digestOf tells the groups of one stem apart.
func digestOf(group servicetime.Key) string {
	sum := sha256.Sum256([]byte(group.Digest()))
	return hex.EncodeToString(sum[:4])
}

// fileName keeps letters, digits, '-', '_' and inner dots, and writes every
// other byte as %XX, so that different names stay different.
func fileName(name string) string {
	var b strings.Builder
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if letter || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Compare orders samples as files list them: by CompareKeys, then by number.
func Compare(a, b servicetime.Sample) int {
	return cmp.Or(CompareKeys(a.Key, b.Key), cmp.Compare(a.N, b.N))
}

// CompareKeys orders keys by function, input, platform, platform digest, image,
// stack and condition; conditions as a sandbox meets them, deeper ones later.
func CompareKeys(a, b servicetime.Key) int {
	return cmp.Or(
		cmp.Compare(a.Function, b.Function), cmp.Compare(a.Input, b.Input),
		cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.PlatformDigest, b.PlatformDigest),
		cmp.Compare(a.Image, b.Image), cmp.Compare(a.Stack, b.Stack),
		CompareConditions(a.Condition, b.Condition))
}

// order is the order in which a sandbox meets the conditions; those of
// ablations come last.
var order = []servicetime.Kind{
	servicetime.StageCreate, servicetime.StageInit, servicetime.Cold, servicetime.Warm,
	servicetime.Lukewarm, servicetime.Flush, servicetime.FlushStructure, servicetime.Stressor,
}

// CompareConditions orders conditions as a sandbox meets them.
func CompareConditions(a, b servicetime.Condition) int {
	return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)),
		cmp.Compare(a.Mix, b.Mix), cmp.Compare(a.K, b.K), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Structures, b.Structures))
}

// maxMistakes bounds how many mistakes of one file are spelled out.
const maxMistakes = 100

// mistakes collects what is wrong with one file, each with its line.
type mistakes struct {
	name  string
	list  []error
	count int
}

// at notes a mistake in a line, from 1; line 0 is the file as a whole.
func (m *mistakes) at(line int, format string, values ...any) {
	m.count++
	if m.count > maxMistakes {
		return
	}
	place := m.name
	if line > 0 {
		place = fmt.Sprintf("%s:%d", m.name, line)
	}
	m.list = append(m.list, fmt.Errorf("%s: %w", place, fmt.Errorf(format, values...)))
}

// err returns all mistakes as one error, one per line, or nil.
func (m *mistakes) err() error {
	if m.count > maxMistakes {
		m.list = append(m.list, fmt.Errorf("%s: and %d more mistakes", m.name, m.count-maxMistakes))
	}
	return errors.Join(m.list...)
}
