package scenario

// Setting is a value for one key, as on a command line: cluster.nodes[0].cores=8.
type Setting struct {
	Path  string // e.g. "cluster.nodes[0].cores"
	Value string // as it would be written at the key
}

// Override returns the scenario with other values at some keys, all set before
// any rule is checked. A mistake in a setting shows the setting.
func (s *Scenario) Override(settings ...Setting) (*Scenario, error) {
	root := s.origin.root
	var mistakes []Mistake
	for _, setting := range settings {
		src := newSource("--set", setting.Path+"="+setting.Value)
		f, steps, err := scalarAt(setting.Path)
		if err == nil {
			at := position{src, 1, len([]rune(setting.Path)) + 2}
			var changed *node
			if changed, err = root.with(steps, scalar(f, setting.Value, at)); err == nil {
				root = changed
			}
		}
		if err != nil {
			mistakes = append(mistakes, src.start().mistake("", err.Error()))
		}
	}
	changed, found := s.origin.read(root)
	if mistakes = append(mistakes, found...); len(mistakes) > 0 {
		sortMistakes(mistakes)
		return nil, &Mistakes{List: mistakes}
	}
	return changed, nil
}
