package functions

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Runtime is what executes a function.
type Runtime int

// The runtimes; a function of an imported image may be Native whatever it is written in.
const (
	RuntimeInvalid Runtime = iota
	Go
	Python
	NodeJS
	Native
)

var runtimeNames = []string{"invalid", "go", "python", "nodejs", "native"}

// String is the runtime's name in function.yaml.
func (r Runtime) String() string {
	if r < 0 || int(r) >= len(runtimeNames) {
		return runtimeNames[RuntimeInvalid]
	}
	return runtimeNames[r]
}

// Packages names what a function needs installed, by package manager.
type Packages struct {
	Debian, PyPI, NPM []string
}

// A Dependency is a server that has to run before the function: a database with a
// command of its own or another function of the catalog.
type Dependency struct {
	Name     string
	Summary  string
	Function string // the catalog's name of it; "" for a database
	Argv     []string
	Port     int    // its usual port
	Env      string // the variable that gives the function its host:port
	Packages Packages
}

// A Class is a named way of drawing inputs.
type Class struct {
	Name    string
	Summary string
	// Profile names the entry of In-Vitro's vSwarm profiles that was measured with
	// inputs like these, "" if there is none.
	Profile string

	method protoreflect.MethodDescriptor
	input  input
	reply  expectation
}

// Method is the gRPC path that the class calls.
func (c *Class) Method() string {
	return fmt.Sprintf("/%s/%s", c.method.Parent().FullName(), c.method.Name())
}

// A Function is one entry of the catalog. Its fields are to be read only.
type Function struct {
	Name         string
	Summary      string
	Runtime      Runtime
	Port         int    // where it listens unless told otherwise: vSwarm's
	Service      string // full protobuf name
	Method       string // of the classes that do not name their own
	MemoryMiB    int    // limit of its container
	Argv         []string
	Packages     Packages
	Dependencies []Dependency

	classes map[string]*Class
}

// DefaultClass is the input class that every function has.
const DefaultClass = "default"

// Classes returns the names of the input classes, sorted.
func (f *Function) Classes() []string {
	return slices.Sorted(maps.Keys(f.classes))
}

// Class returns an input class by its name. The error is ErrUnknownClass and lists those
// there are.
func (f *Function) Class(name string) (*Class, error) {
	if c := f.classes[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%s: %w %q%s", f.Name, ErrUnknownClass, name, suggest(name, f.Classes()))
}

// A Call is one request, ready to be sent, with the check of its reply.
type Call struct {
	Method  string // gRPC path, as "/fibonacci.Greeter/SayHello"
	Request []byte // the encoded message
	// Check decodes a reply and compares its content with what the request asks for.
	// Its error is ErrWrongReply. Safe for concurrent use.
	Check func(reply []byte) error
}

// Call makes the n-th call (n >= 0) of an input class: a pure function of class, seed
// and n, so functions with the same classes get the same inputs.
func (f *Function) Call(class string, seed uint64, n int) (Call, error) {
	c, err := f.Class(class)
	if err != nil {
		return Call{}, err
	}
	if n < 0 {
		return Call{}, fmt.Errorf("%s: call %d: want a number from 0", f.Name, n)
	}
	request, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.input.make(newDice(seed, class, n), n))
	if err != nil {
		return Call{}, fmt.Errorf("%s: encode request %d of class %s: %w", f.Name, n, class, err)
	}
	check := func(reply []byte) error {
		if err := c.reply.check(f.Runtime, c.method, request, reply); err != nil {
			return fmt.Errorf("%s: class %s, seed %d, call %d: %w: %w", f.Name, class, seed, n, ErrWrongReply, err)
		}
		return nil
	}
	return Call{Method: c.Method(), Request: request, Check: check}, nil
}
