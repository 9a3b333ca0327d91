package mssql

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func units(u ...uint16) []byte {
	var b []byte
	for _, c := range u {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

func TestUTF16(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		raw  []byte
		text string
	}{
		{"empty", nil, ""},
		{"ascii", units('a', 0, 'b'), "a\x00b"},
		{"two and three bytes", units(0xe9, 0x20ac, 0xffff), "é€\uffff"},
		{"a pair", units(0xd834, 0xdd1e), "𝄞"},
		{"last pair", units(0xdbff, 0xdfff), "\U0010ffff"},
		{"the replacement character itself", units(0xfffd), "\ufffd"},
		{"lone high", units(0xd800, 'x'), "\xed\xa0\x80x"},
		{"lone high at the end", units('x', 0xdbff), "x\xed\xaf\xbf"},
		{"lone low", units(0xdfff), "\xed\xbf\xbf"},
		{"low before high", units(0xdc00, 0xd800), "\xed\xb0\x80\xed\xa0\x80"},
		{"high before a pair", units(0xd800, 0xd834, 0xdd1e), "\xed\xa0\x80𝄞"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, err := appendFromUTF16(nil, c.raw)
			require.NoError(t, err)
			assert.Equal(t, c.text, string(text))
			raw, err := appendToUTF16(nil, text)
			require.NoError(t, err)
			assert.Equal(t, c.raw, raw)
		})
	}
}

func TestUTF16RefusesWhatItCannotHaveMade(t *testing.T) {
	t.Parallel()
	_, err := appendFromUTF16(nil, []byte{1})
	require.ErrorIs(t, err, errOddUTF16)
	for _, bad := range []string{"\x80", "\xc0\x80", "\xed", "\xed\xa0", "\xff", "\xf4\x90\x80\x80", "\xed\xa0\xb4\xed\xb4\x9e"} {
		_, err := appendToUTF16(nil, []byte(bad))
		assert.ErrorIs(t, err, errNotUTF8, "%x", bad)
	}
}

func TestUTF16RoundTripsAnyUnits(t *testing.T) {
	t.Parallel()
	unit := rapid.OneOf(rapid.Uint16(), rapid.Uint16Range(0xd700, 0xe100), rapid.Uint16Range(0, 300))
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.SliceOf(unit).Draw(t, "units")
		raw := units(u...)
		text, err := appendFromUTF16(nil, raw)
		require.NoError(t, err)
		back, err := appendToUTF16(nil, text)
		require.NoError(t, err)
		require.Equal(t, raw, back)
		if s := string(utf16.Decode(u)); !bytes.ContainsRune([]byte(s), 0xfffd) {
			require.Equal(t, s, string(text), "well-formed text is plain UTF-8")
		}
	})
}

// knownPages are all code pages that a SQL Server collation can have.
func knownPages() []int {
	return []int{437, 850, 874, 932, 936, 949, 950, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, utf8Page}
}

func TestCodePages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		page int
		raw  string
		text string
	}{
		{"western", 1252, "Caf\xe9 \x80", "Café €"},
		{"western, undefined byte", 1252, "a\x81b", "a\xed\xb2\x81b"},
		{"cyrillic", 1251, "\xcf\xf0\xe8", "При"},
		{"greek, undefined byte", 1253, "\xc1\xd2", "Α\xed\xb3\x92"},
		{"dos", 437, "\x80\xe1", "Çß"},
		{"japanese", 932, "\x93\xfa\x96{ \xb1", "日本 ｱ"},
		{"japanese, lead byte at the end", 932, "a\x93", "a\xed\xb2\x93"},
		{"japanese, second spelling of a character", 932, "\x87\x9a", "\xed\xb2\x87\xed\xb2\x9a"},
		{"chinese", 936, "\xd6\xd0\x80", "中€"},
		{"korean", 949, "\xc7\xd1", "한"},
		{"taiwan", 950, "\xa4\xa4", "中"},
		{"thai", 874, "\xa1", "ก"},
		{"utf-8", utf8Page, "é\xff", "é\xff"},
		{"zero byte", 1252, "\x00\xe9", "\x00é"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := newCodePage(c.page)
			require.NoError(t, err)
			text := p.appendText(nil, []byte(c.raw))
			assert.Equal(t, c.text, string(text))
			raw, err := p.appendRaw(nil, text)
			require.NoError(t, err)
			assert.Equal(t, c.raw, string(raw))
		})
	}
	_, err := newCodePage(1259)
	require.Error(t, err)
	p, err := newCodePage(1252)
	require.NoError(t, err)
	for _, bad := range []string{"日", "\xed\xa0\x80", "\x80", "\xed\xb4\x80"} {
		_, err := p.appendRaw(nil, []byte(bad))
		assert.Error(t, err, "%x", bad)
	}
}

func TestCodePagesRoundTripAnyBytes(t *testing.T) {
	t.Parallel()
	var pages codePages
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.SampledFrom(knownPages()).Draw(t, "page")
		p, err := pages.page(number)
		require.NoError(t, err)
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		text := p.appendText(nil, raw)
		back, err := p.appendRaw(nil, text)
		require.NoError(t, err)
		require.Equal(t, string(raw), string(back))
	})
}
