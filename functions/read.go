package functions

import (
	"regexp"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Names become folders, host names and labels, so they are DNS labels (RFC 1123).
var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// reader holds what reading one function.yaml needs beyond its mistakes.
type reader struct {
	*mistakes
	open        func(name string) ([]byte, error) // a file beside function.yaml
	f           *Function
	descriptors protodesc.Resolver
	reply       expectation
}

// readFunction reads a whole function.yaml; it returns something useful only if
// no mistake was added.
func (m *mistakes) readFunction(body ast.Node, open func(string) ([]byte, error)) *Function {
	r := &reader{mistakes: m, open: open, f: &Function{classes: map[string]*Class{}}, descriptors: protoregistry.GlobalFiles}
	if body == nil {
		return r.f
	}
	f := r.f
	// What later keys refer to is read after the rest, wherever it stands.
	var descriptors, method, inputs, reply ast.Node
	m.fields(body, []string{"name", "runtime", "port", "service", "method", "memoryMiB", "command", "inputs"}, map[string]func(ast.Node){
		"name":         func(n ast.Node) { f.Name = m.name(n) },
		"summary":      func(n ast.Node) { f.Summary = m.text(n) },
		"runtime":      func(n ast.Node) { f.Runtime = m.runtime(n) },
		"port":         func(n ast.Node) { f.Port = int(m.whole(n, 1, 65535)) },
		"descriptors":  func(n ast.Node) { descriptors = n },
		"service":      func(n ast.Node) { f.Service = m.word(n) },
		"method":       func(n ast.Node) { method = n; f.Method = m.word(n) },
		"memoryMiB":    func(n ast.Node) { f.MemoryMiB = int(m.whole(n, 1, 1<<20)) },
		"command":      func(n ast.Node) { f.Argv = m.command(n) },
		"packages":     func(n ast.Node) { f.Packages = m.packages(n) },
		"dependencies": func(n ast.Node) { f.Dependencies = m.dependencies(n) },
		"inputs":       func(n ast.Node) { inputs = n },
		"reply":        func(n ast.Node) { reply = n },
	})
	if descriptors != nil {
		r.readDescriptors(descriptors)
	}
	if method != nil && f.Method != "" && f.Service != "" {
		r.method(method, f.Service, f.Method)
	}
	if reply != nil {
		r.reply = m.expectation(reply)
	}
	if inputs != nil {
		r.classes(inputs)
	}
	return f
}

func (m *mistakes) name(node ast.Node) string {
	s := m.word(node)
	if s != "" && !validName.MatchString(s) {
		m.add(node, "name %q: want at most 63 of a-z, 0-9 and - between them", s)
	}
	return s
}

func (m *mistakes) runtime(node ast.Node) Runtime {
	s := m.word(node)
	for r, name := range runtimeNames {
		if name == s && Runtime(r) != RuntimeInvalid {
			return Runtime(r)
		}
	}
	if s != "" {
		m.add(node, "unknown runtime %q: want go, python, nodejs or native", s)
	}
	return RuntimeInvalid
}

func (m *mistakes) command(node ast.Node) []string {
	before := len(m.list)
	var argv []string
	for i, item := range m.items(node) {
		read := m.text
		if i == 0 {
			read = m.word
		}
		argv = append(argv, read(item))
	}
	if len(m.list) == before && len(argv) == 0 {
		m.add(node, "want a program and its arguments")
	}
	return argv
}

func (m *mistakes) packages(node ast.Node) (p Packages) {
	m.fields(node, nil, map[string]func(ast.Node){
		"debian": func(n ast.Node) { p.Debian = m.words(n) },
		"pypi":   func(n ast.Node) { p.PyPI = m.words(n) },
		"npm":    func(n ast.Node) { p.NPM = m.words(n) },
	})
	return p
}

func (m *mistakes) dependencies(node ast.Node) []Dependency {
	var list []Dependency
	for _, item := range m.items(node) {
		var d Dependency
		m.fields(item, []string{"name", "port", "env"}, map[string]func(ast.Node){
			"name":     func(n ast.Node) { d.Name = m.name(n) },
			"summary":  func(n ast.Node) { d.Summary = m.text(n) },
			"function": func(n ast.Node) { d.Function = m.word(n) },
			"command":  func(n ast.Node) { d.Argv = m.command(n) },
			"port":     func(n ast.Node) { d.Port = int(m.whole(n, 1, 65535)) },
			"env":      func(n ast.Node) { d.Env = m.word(n) },
			"packages": func(n ast.Node) { d.Packages = m.packages(n) },
		})
		if (d.Function == "") == (len(d.Argv) == 0) {
			m.add(item, "want either the name of a function or a command")
		}
		list = append(list, d)
	}
	return list
}

// readDescriptors takes message types from a file with a FileDescriptorSet, as
// protoc --include_imports --descriptor_set_out writes it.
func (r *reader) readDescriptors(node ast.Node) {
	name := r.word(node)
	if name == "" {
		return
	}
	r.descriptors = nil
	data, err := r.open(name)
	if err != nil {
		r.add(node, "descriptors: %v", err)
		return
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		r.add(node, "%s is not a file descriptor set: write it with protoc --include_imports --descriptor_set_out", name)
		return
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		r.add(node, "%s: %v: write it with protoc --include_imports", name, err)
		return
	}
	r.descriptors = files
}

// method finds a method of a service, nil after a mistake.
func (r *reader) method(node ast.Node, serviceName, name string) protoreflect.MethodDescriptor {
	if r.descriptors == nil {
		return nil
	}
	d, err := r.descriptors.FindDescriptorByName(protoreflect.FullName(serviceName))
	service, ok := d.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		r.add(node, "no service %q is known: give its type in a descriptors file", serviceName)
		return nil
	}
	method := service.Methods().ByName(protoreflect.Name(name))
	if method == nil {
		var names []string
		for i := range service.Methods().Len() {
			names = append(names, string(service.Methods().Get(i).Name()))
		}
		r.add(node, "%s has no method %q%s", service.FullName(), name, suggest(name, names))
		return nil
	}
	if method.IsStreamingClient() || method.IsStreamingServer() {
		r.add(node, "method %q streams: want a method with one request and one reply", name)
	}
	return method
}

func (r *reader) classes(node ast.Node) {
	list := r.entries(node)
	for _, e := range list {
		if !validName.MatchString(e.key) {
			r.add(e.name, "input class %q: want at most 63 of a-z, 0-9 and - between them", e.key)
		}
		r.f.classes[e.key] = r.class(e)
	}
	if list != nil && r.f.classes[DefaultClass] == nil {
		r.add(node, "input class %q is missing", DefaultClass)
	}
}

func (r *reader) class(e entry) *Class {
	c := &Class{Name: e.key, reply: r.reply}
	methodNode, serviceName, methodName := e.name, r.f.Service, r.f.Method
	var drawn, request ast.Node
	r.fields(e.value, []string{"request"}, map[string]func(ast.Node){
		"summary": func(n ast.Node) { c.Summary = r.text(n) },
		"profile": func(n ast.Node) { c.Profile = r.word(n) },
		"service": func(n ast.Node) { methodNode, serviceName = n, r.word(n) },
		"method":  func(n ast.Node) { methodNode, methodName = n, r.word(n) },
		"draw":    func(n ast.Node) { drawn = n },
		"request": func(n ast.Node) { request = n },
		"reply":   func(n ast.Node) { c.reply = r.expectation(n) },
	})
	if c.reply == nil {
		r.add(e.name, "input class %q has no reply to check against: give the function or the class one", e.key)
	}
	if methodNode == e.name { // a wrong method of the function has been reported there
		quiet := &reader{mistakes: &mistakes{}, f: r.f, descriptors: r.descriptors}
		c.method = quiet.method(e.name, serviceName, methodName)
	} else if serviceName != "" && methodName != "" {
		c.method = r.method(methodNode, serviceName, methodName)
	}
	if c.method != nil && request != nil {
		t := &template{mistakes: r.mistakes, names: map[string]bool{}}
		if drawn != nil {
			c.input.draws = t.draws(drawn)
		}
		c.input.request = t.message(request, c.method.Input())
		if c.reply != nil {
			c.reply.bind(r.mistakes, c.method)
		}
	}
	return c
}
