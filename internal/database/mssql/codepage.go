package mssql

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// utf8Page is the code page of the collations whose names end in _UTF8.
const utf8Page = 65001

// codePage converts char and varchar between a collation's code page and UTF-8, for
// every sequence of bytes without loss: a byte that is not part of a character of the
// page, or whose character the page would write differently, becomes the lone surrogate
// U+DC00 + byte, which no page can give otherwise.
type codePage struct {
	runes []rune            // by one byte, or by 256*lead+trail for a pair; 0 = none but at 0
	bytes map[rune]uint16   // the only sequence that a character is written as
	lead  [256]bool         // starts a pair
	plain bool              // UTF-8: bytes are the text
	_     [0]func(codePage) // compared by pointer only
}

// codePages builds each code page at most once; a double-byte one takes some 20 ms.
type codePages struct {
	mu    sync.Mutex
	pages map[int]*codePage
}

func (c *codePages) page(number int) (*codePage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pages[number]; p != nil {
		return p, nil
	}
	p, err := newCodePage(number)
	if err != nil {
		return nil, err
	}
	if c.pages == nil {
		c.pages = make(map[int]*codePage)
	}
	c.pages[number] = p
	return p, nil
}

func newCodePage(number int) (*codePage, error) {
	if number == utf8Page {
		return &codePage{plain: true}, nil
	}
	enc, double := pageEncoding(number)
	if enc == nil {
		return nil, fmt.Errorf("code page %d is not known", number)
	}
	p := &codePage{bytes: make(map[rune]uint16), runes: make([]rune, 256)}
	if double {
		p.runes = make([]rune, 1<<16)
	}
	dec, back := enc.NewDecoder(), enc.NewEncoder()
	for b := 1; b < 256; b++ {
		p.learn(dec, back, []byte{byte(b)}, uint16(b))
	}
	for seq := 0x8000; double && seq < 1<<16; seq++ {
		if p.runes[seq>>8] == 0 {
			p.learn(dec, back, []byte{byte(seq >> 8), byte(seq)}, uint16(seq))
			p.lead[seq>>8] = p.lead[seq>>8] || p.runes[seq] != 0
		}
	}
	return p, nil
}

// pageEncoding gives the encoding of a Windows code page and whether it has pairs.
func pageEncoding(number int) (encoding.Encoding, bool) {
	switch number {
	case 437:
		return charmap.CodePage437, false
	case 850:
		return charmap.CodePage850, false
	case 874:
		return charmap.Windows874, false
	case 932:
		return japanese.ShiftJIS, true
	case 936:
		return simplifiedchinese.GBK, true
	case 949:
		return korean.EUCKR, true
	case 950:
		return traditionalchinese.Big5, true
	}
	windows := []*charmap.Charmap{charmap.Windows1250, charmap.Windows1251, charmap.Windows1252, charmap.Windows1253,
		charmap.Windows1254, charmap.Windows1255, charmap.Windows1256, charmap.Windows1257, charmap.Windows1258}
	if i := number - 1250; i >= 0 && i < len(windows) {
		return windows[i], false
	}
	return nil, false
}

// learn records that seq is a character, if it is exactly one and is written as seq.
func (p *codePage) learn(dec *encoding.Decoder, enc *encoding.Encoder, seq []byte, at uint16) {
	text, err := dec.Bytes(seq)
	if err != nil {
		return
	}
	r, n := utf8.DecodeRune(text)
	if r == utf8.RuneError || n != len(text) {
		return
	}
	if again, err := enc.Bytes(text); err == nil && string(again) == string(seq) {
		p.runes[at], p.bytes[r] = r, at
	}
}

// appendText appends raw bytes of the page as UTF-8.
func (p *codePage) appendText(dst, raw []byte) []byte {
	if p.plain || isASCII(raw) {
		return append(dst, raw...)
	}
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		r := p.runes[c]
		if p.lead[c] && i+1 < len(raw) {
			if pair := p.runes[int(c)<<8|int(raw[i+1])]; pair != 0 {
				r = pair
				i++
			}
		}
		if r == 0 && c != 0 {
			dst = appendSurrogate(dst, lowMin|uint16(c))
			continue
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// appendRaw undoes appendText. A character that the page does not have is refused.
func (p *codePage) appendRaw(dst, text []byte) ([]byte, error) {
	if p.plain || isASCII(text) {
		return append(dst, text...), nil
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			u, ok := surrogate(text[i:])
			if !ok || u < lowMin || u > lowMin|0xff {
				return dst, errNotUTF8
			}
			dst = append(dst, byte(u))
			i += 3
			continue
		}
		seq, ok := p.bytes[r]
		if !ok && r != 0 {
			return dst, fmt.Errorf("character %U is not in the column's code page", r)
		}
		if seq > 0xff {
			dst = append(dst, byte(seq>>8))
		}
		dst = append(dst, byte(seq))
		i += n
	}
	return dst, nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
