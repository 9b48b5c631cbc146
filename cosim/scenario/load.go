package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// Load reads the scenario at path. The error is a *Mistakes if the file was
// read, and says what to do if not.
func Load(path string) (*Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	return Parse(path, text)
}

// Parse reads a scenario from its text. The name is shown in mistakes, its
// folder is what relative paths are relative to, and it names a scenario that
// does not name itself. The error is a *Mistakes.
func Parse(name string, text []byte) (*Scenario, error) {
	root, mistakes := parseYAML(name, string(text))
	if root == nil {
		return nil, &Mistakes{List: mistakes}
	}
	s, found := read(name, root)
	if mistakes = append(mistakes, found...); len(mistakes) > 0 {
		sortMistakes(mistakes)
		return nil, &Mistakes{List: mistakes}
	}
	return s, nil
}

// read turns a document into a scenario, and returns what is wrong with it.
func read(name string, root *node) (*Scenario, []Mistake) {
	s := &Scenario{document: root, folder: filepath.Dir(name)}
	r := &reader{folder: s.folder, reported: map[string]bool{}}
	start := root.at
	start.line, start.column = 1, 1
	r.readStruct(reflect.ValueOf(s).Elem(), place{key: start, node: root})
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	return s, r.mistakes
}

func reflectOf(v any) reflect.Value { return reflect.ValueOf(v) }
