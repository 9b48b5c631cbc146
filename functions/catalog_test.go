package functions_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"microcosm/functions"
)

func load(t testing.TB) *functions.Catalog {
	t.Helper()
	catalog, err := functions.Load()
	require.NoError(t, err)
	return catalog
}

func lookup(t testing.TB, name string) *functions.Function {
	t.Helper()
	f, err := load(t).Lookup(name)
	require.NoError(t, err)
	return f
}

// greeter is a catalog as a user would write one: a type of its own, given as a
// descriptor set, inputs and replies given as data.
func greeter(t testing.TB, yaml string) fs.FS {
	t.Helper()
	text, number := descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum()
	one, many := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("greeter.proto"), Package: proto.String("helloworld"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("HelloRequest"), Field: []*descriptorpb.FieldDescriptorProto{
				{Name: proto.String("name"), Number: proto.Int32(1), Type: text, Label: one},
				{Name: proto.String("times"), Number: proto.Int32(2), Type: number, Label: one},
				{
					Name: proto.String("friends"), Number: proto.Int32(3), Label: many,
					Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(".helloworld.HelloRequest"),
				},
			}},
			{Name: proto.String("HelloReply"), Field: []*descriptorpb.FieldDescriptorProto{
				{Name: proto.String("message"), Number: proto.Int32(1), Type: text, Label: one},
				{Name: proto.String("parts"), Number: proto.Int32(2), Type: text, Label: many},
			}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Greeter"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("SayHello"), InputType: proto.String(".helloworld.HelloRequest"), OutputType: proto.String(".helloworld.HelloReply")},
			{Name: proto.String("Watch"), InputType: proto.String(".helloworld.HelloRequest"), OutputType: proto.String(".helloworld.HelloReply"), ServerStreaming: proto.Bool(true)},
		}}},
	}}}
	data, err := proto.Marshal(set)
	require.NoError(t, err)
	return fstest.MapFS{
		"hello/function.yaml": {Data: []byte(yaml)},
		"hello/hello.binpb":   {Data: data},
		"hello/broken.binpb":  {Data: []byte{0xff, 0x01}},
	}
}

const hello = `name: hello
runtime: native
port: 50051
descriptors: hello.binpb
service: helloworld.Greeter
method: SayHello
memoryMiB: 64
command: [/hello]
inputs:
  default:
    request: {name: {$oneOf: [Ann, Bob]}, times: {$int: [1, 3]}, friends: [{name: Cid}, {name: {$letters: [2, 4]}, times: {$count: [5, 6]}}]}
reply:
  fields:
    message: {equals: "Hello ${name}, ${times} times, and ${friends.0.name}"}
    parts.1: {matches: "^x+$"}
    parts: {length: 2}
`

func TestCatalogNamesAndLookup(t *testing.T) {
	t.Parallel()
	catalog := load(t)
	names := catalog.Names()
	require.True(t, slices.IsSorted(names))
	for _, name := range []string{"fibonacci-go", "fibonacci-python", "aes-go", "aes-python", "auth-go", "auth-python", "null"} {
		require.Contains(t, names, name)
	}
	f, err := catalog.Lookup("aes-go")
	require.NoError(t, err)
	require.Equal(t, "aes-go", f.Name)
	require.Equal(t, functions.Go, f.Runtime)
	require.Equal(t, 50051, f.Port)

	_, err = catalog.Lookup("fibonaci-go")
	require.ErrorIs(t, err, functions.ErrUnknownFunction)
	require.ErrorContains(t, err, "did you mean fibonacci-go")
	_, err = catalog.Lookup("zzzzzzzz")
	require.ErrorContains(t, err, "aes-go, ", "nothing is near, so all are named")

	_, err = f.Call("larg", 1, 0)
	require.ErrorIs(t, err, functions.ErrUnknownClass)
	require.ErrorContains(t, err, "did you mean large")
	_, err = f.Call("large", 1, -1)
	require.ErrorContains(t, err, "want a number from 0")
}

func TestAUsersFunctionNeedsDataOnly(t *testing.T) {
	t.Parallel()
	catalog, err := functions.Read(greeter(t, hello))
	require.NoError(t, err)
	f, err := catalog.Lookup("hello")
	require.NoError(t, err)
	call, err := f.Call("default", 3, 0)
	require.NoError(t, err)
	require.Equal(t, "/helloworld.Greeter/SayHello", call.Method)

	// The tags are those of the fields above; this call greets Bob three times.
	require.Equal(t, "\n\x03Bob\x10\x03\x1a\x05\n\x03Cid\x1a\b\n\x04", string(call.Request[:len(call.Request)-6]))
	reply := func(message string, parts ...string) []byte {
		b := []byte{0x0a, byte(len(message))}
		b = append(b, message...)
		for _, p := range parts {
			b = append(append(b, 0x12, byte(len(p))), p...)
		}
		return b
	}
	require.NoError(t, call.Check(reply("Hello Bob, 3 times, and Cid", "y", "xx")))
	for _, wrong := range [][]byte{
		nil,
		reply("Hello Ann, 3 times, and Cid", "y", "xx"),
		reply("Hello Bob, 3 times, and Cid", "y", "xy"),
		reply("Hello Bob, 3 times, and Cid", "y"),
		reply("Hello Bob, 3 times, and Cid", "y", "xx", "z"),
		append(reply("Hello Bob, 3 times, and Cid", "y", "xx"), 0x18, 0x01),
	} {
		require.ErrorIs(t, call.Check(wrong), functions.ErrWrongReply, "%q", wrong)
	}

	both, err := load(t).With(catalog)
	require.NoError(t, err)
	require.Contains(t, both.Names(), "hello")
	require.Contains(t, both.Names(), "aes-go")
	_, err = both.With(catalog)
	require.ErrorContains(t, err, `"hello" exists in both`)
}

// The example that users copy is one that the catalog takes.
func TestTheExampleOfTheReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	require.True(t, found)
	example, _, found := strings.Cut(rest, "```\n")
	require.True(t, found)
	catalog, err := functions.Read(greeter(t, example))
	require.NoError(t, err)
	f, err := catalog.Lookup("hello")
	require.NoError(t, err)
	require.Equal(t, []string{"default", "friends"}, f.Classes())
	require.Equal(t, []string{"/usr/bin/python3", "/app/server.py"}, f.Entrypoint("/app"))
	require.Equal(t, []string{"/usr/bin/redis-server", "--bind", "127.0.0.1", "--port", "7001"}, f.Dependencies[0].Command("127.0.0.1", 7001))
	require.Nil(t, f.Dependencies[1].Command("127.0.0.1", 7002))
	call, err := f.Call("default", 1, 0)
	require.NoError(t, err)
	require.Regexp(t, `^\n.guest-\d+\x10[\x01-\x03]$`, string(call.Request))
}

func TestEveryMistakeIsReportedAtOnceWithItsPlace(t *testing.T) {
	t.Parallel()
	_, err := functions.Read(greeter(t, `name: Hello World
runtime: cobol
port: 70000
color: red
descriptors: hello.binpb
service: helloworld.Greeter
method: SayHello
memoryMiB: lots
command: []
dependencies:
  - {name: db, port: 1, env: DB}
inputs:
  default:
    request: {nam: x, times: many, friends: Ann}
    reply: {checker: fibonaci}
  big:
    method: Watch
    request: {times: {$int: [5, 3]}, name: {$letter: [1, 2]}}
  bigger:
    draw: {text: {$letters: [1, 1]}}
    request: {times: {$int: [0, 3000000000]}, friends: [{name: "${txt}"}, {name: {$date: [tomorrow, "${text}", x]}}, {times: {$float: [1, 2]}}]}
reply:
  fields: {message: {equals: "${nobody}"}, text: {matches: "("}}
`))
	require.Error(t, err)
	text := err.Error()
	t.Log(text)
	for _, want := range []string{
		`hello/function.yaml:1:7: name "Hello World"`,
		`:2:10: unknown runtime "cobol"`,
		`:3:7: 70000 is out of range: want 1 to 65535`,
		`:4:1: unknown key "color"`,
		`:8:12: want a whole number, not a string`,
		`:9:10: want a program and its arguments`,
		`want either the name of a function or a command`,
		`:14:15: helloworld.HelloRequest has no field "nam": did you mean name`,
		`:14:30: "times": "many" does not fit a int32`,
		`:14:45: want a list, not a string`,
		`:15:22: unknown checker "fibonaci": did you mean fibonacci`,
		`:17:13: method "Watch" streams`,
		`5 is larger than 3`,
		`unknown draw "$letter": did you mean $letters`,
		`"times": "3000000000" does not fit a int32`,
		`${txt}: nothing of that name is drawn: did you mean text?`,
		"want a date as YYYY-MM-DD",
		`${text} is no whole number: draw it with $int or $count`,
		"want a number of days",
		`"times" is a int32: $float makes a double`,
		`${nobody}: helloworld.HelloRequest has no field "nobody"`,
		"missing closing )",
	} {
		require.Contains(t, text, want)
	}
	require.Equal(t, 1, strings.Count(text, `no field "nobody"`), "once, though two classes share it")
	require.Contains(t, text, "  3 | port: 70000\n>   4 | color: red\n      | ^\n    5 | descriptors", "the lines around a mistake are shown")
	var m *functions.Mistake
	require.True(t, errors.As(err, &m))
	require.Equal(t, "hello/function.yaml", m.File)
}

func TestMistakesThatConcernAWholeFile(t *testing.T) {
	t.Parallel()
	without := func(key string) string {
		var kept []string
		for _, line := range strings.Split(hello, "\n") {
			if !strings.HasPrefix(line, key+":") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\n")
	}
	for name, c := range map[string]struct{ yaml, want string }{
		"empty file":                  {"", "want one YAML document"},
		"no YAML":                     {"name: [hello", "hello/function.yaml:1"},
		"a list":                      {"- name: hello\n", "want a mapping, not a list"},
		"key written twice":           {hello + "port: 1\n", "already defined"},
		"name is missing":             {without("name"), `key "name" is missing`},
		"inputs are missing":          {hello[:strings.Index(hello, "inputs:")], `key "inputs" is missing`},
		"service is missing":          {without("service"), `key "service" is missing`},
		"no type is known":            {strings.Replace(without("descriptors"), "helloworld.", "nowhere.", 1), `no service "nowhere.Greeter" is known`},
		"name is not the folder":      {strings.Replace(hello, "name: hello", "name: hallo", 1), `want the name of its folder, "hello"`},
		"no default class":            {strings.Replace(hello, "default:", "usual:", 1), `input class "default" is missing`},
		"nothing to check":            {hello[:strings.Index(hello, "reply:")], "no reply to check against"},
		"descriptors are not there":   {strings.Replace(hello, "hello.binpb", "none.binpb", 1), "file does not exist"},
		"descriptors are broken":      {strings.Replace(hello, "hello.binpb", "broken.binpb", 1), "not a file descriptor set"},
		"no such method":              {strings.Replace(hello, "SayHello", "SayHallo", 1), `did you mean SayHello`},
		"checker of another type":     {hello[:strings.Index(hello, "reply:")] + "reply: {checker: aes}\n", `checker "aes" compares aes.PlainTextMessage`},
		"a checker and fields":        {strings.Replace(hello, "reply:\n", "reply:\n  checker: empty\n", 1), "want either a checker or fields, not both"},
		"fields and a checker":        {hello + "  checker: empty\n", "want either a checker or fields, not both"},
		"list element without number": {strings.Replace(hello, "parts.1", "parts.x", 1), "want the number of an element"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := functions.Read(greeter(t, c.yaml))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := functions.Read(fstest.MapFS{})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// FuzzRead looks for a function.yaml that makes the parser panic, or that it
// accepts and then cannot draw from.
func FuzzRead(f *testing.F) {
	f.Add(hello)
	catalog := load(f)
	for _, name := range catalog.Names() {
		data, err := os.ReadFile(name + "/function.yaml")
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, yaml string) {
		catalog, err := functions.Read(greeter(t, yaml))
		if err != nil {
			return
		}
		for _, name := range catalog.Names() {
			f, err := catalog.Lookup(name)
			require.NoError(t, err)
			for _, class := range f.Classes() {
				call, err := f.Call(class, 1, 2)
				if err == nil {
					_ = fmt.Sprint(call.Check([]byte("x")))
				}
			}
		}
	})
}
