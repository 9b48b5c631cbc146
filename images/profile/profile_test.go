package profile_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/profile"
)

const base = 0xffffffff81000000

// kernel writes an ELF file that has the given functions, 0x100 bytes apart.
func kernel(t *testing.T, functions ...string) *profile.Symbols {
	t.Helper()
	var names, symbols bytes.Buffer
	names.WriteByte(0)
	require.NoError(t, binary.Write(&symbols, binary.LittleEndian, elf.Sym64{}))
	for i, name := range functions {
		require.NoError(t, binary.Write(&symbols, binary.LittleEndian, elf.Sym64{
			Name: uint32(names.Len()), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: 1, Value: base + uint64(i)*0x100,
		}))
		names.WriteString(name + "\x00")
	}
	const headers, sections = 64, 3
	text := headers + sections*64
	var file bytes.Buffer
	write := func(v any) { require.NoError(t, binary.Write(&file, binary.LittleEndian, v)) }
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: headers, Ehsize: headers,
		Shentsize: 64, Shnum: sections, Shstrndx: 2,
	}
	copy(header.Ident[:], []byte{0x7f, 'E', 'L', 'F', 2, 1, 1})
	write(header)
	write(elf.Section64{})
	write(elf.Section64{Type: uint32(elf.SHT_SYMTAB), Off: uint64(text), Size: uint64(symbols.Len()), Link: 2, Entsize: 24})
	write(elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: uint64(text + symbols.Len()), Size: uint64(names.Len())})
	file.Write(symbols.Bytes())
	file.Write(names.Bytes())
	path := filepath.Join(t.TempDir(), "vmlinux")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o644))
	s, err := profile.ReadSymbols(path)
	require.NoError(t, err)
	return s
}

func TestABootIsSplitIntoPhasesAndFunctions(t *testing.T) {
	t.Parallel()
	s := kernel(t, "start_kernel", "memmap_init", "rest_init", "run_init_process", "ksys_write")
	require.Len(t, s.Marks(), 4, "memmap_init begins no phase")
	counts, err := profile.Parse(strings.NewReader(`mark ffffffff81000000 1000
mark ffffffff81000200 4000
mark ffffffff81000300 4500
mark ffffffff81000400 6000
mark ffffffff81000400 6500
block 7c00 10 100
block ffffffff81000100 20 100
block ffffffff81000110 10 100
block ffffffff81000000 1000 1
total 7000
`))
	require.NoError(t, err)
	require.EqualValues(t, 7000, counts.Total)
	boot, err := profile.Analyse(counts, s)
	require.NoError(t, err)
	require.EqualValues(t, 1000, boot.Before)
	require.EqualValues(t, 5000, boot.ToAgent, "the agent's first line is its first write")
	require.Len(t, boot.Phases, 3)
	var sum uint64
	for i, want := range []struct {
		from string
		n    uint64
	}{{"start_kernel", 3000}, {"rest_init", 500}, {"run_init_process", 1500}} {
		require.Equal(t, want.from, boot.Phases[i].From)
		require.Equal(t, want.n, boot.Phases[i].Instructions)
		sum += boot.Phases[i].Instructions
	}
	require.Equal(t, boot.ToAgent, sum, "the phases are the whole")
	require.Equal(t, []profile.Function{
		{Name: "memmap_init", Instructions: 3000}, {Name: "(user, firmware, decompression)", Instructions: 1000}, {Name: "start_kernel", Instructions: 1000},
	}, boot.Functions)
	var table bytes.Buffer
	require.NoError(t, boot.Write(&table, 1))
	require.Contains(t, table.String(), "memmap_init")
	require.NotContains(t, table.String(), "(user")
}

func TestNames(t *testing.T) {
	t.Parallel()
	s := kernel(t, "a", "b")
	require.Equal(t, "", s.Name(base-1))
	require.Equal(t, "a", s.Name(base))
	require.Equal(t, "a", s.Name(base+0xff))
	require.Equal(t, "b", s.Name(base+0x100))
	require.Equal(t, "b", s.Name(base+0x10000))
	_, ok := s.Address("c")
	require.False(t, ok)
}

func TestBadCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"QEMU was killed", "mark 10 5\n", "no end"},
		{"empty", "", "no end"},
		{"not the plugin's output", "hello\n", `line 1 is "hello"`},
		{"cut line", "total 5\nblock 10 2\n", "line 2"},
	} {
		_, err := profile.Parse(strings.NewReader(c.text))
		require.ErrorContains(t, err, c.want, c.name)
	}
	_, err := profile.Analyse(profile.Counts{Total: 5}, kernel(t, "start_kernel"))
	require.ErrorContains(t, err, "never came as far")
	_, err = profile.ReadSymbols(filepath.Join(t.TempDir(), "missing"))
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add("mark ffffffff81000000 1000\nblock 7c00 10 100\ntotal 7\n")
	f.Fuzz(func(t *testing.T, text string) {
		counts, err := profile.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(counts.Marks)+len(counts.Blocks), strings.Count(text, "\n"), "one line each, and the last is the total")
	})
}
