package logstream

// Parser turns lines into records. It is made for one goroutine and one log: it
// learns addresses, and what the lines of the log have in common. Records it
// filled stay valid for ever; only the line may be reused.
type Parser struct {
	Decoder

	lines arena // what the records' strings are pieces of
	names Namer
}

// NewParser returns a parser of every format that names pools by addrs, or by what
// it learns when addrs is nil.
func NewParser(addrs *AddrMap) *Parser { return NewFormatParser(Format{}, addrs) }

// NewFormatParser is NewParser for a log in a given format.
func NewFormatParser(f Format, addrs *AddrMap) *Parser {
	return &Parser{Decoder: *NewDecoder(f), names: Namer{addrs: addrs}}
}

// Counts returns what the parser met so far. Lines and TooLong belong to the source.
func (p *Parser) Counts() Counts { return p.counts }

// Parse fills rec from one line of the log, without its newline. A line that is
// damaged but holds a whole object at its end (nginx appends to a torn line after
// a full disk) yields that object. Everything else is [ErrBadLine].
func (p *Parser) Parse(line []byte, rec *Record) error {
	if !p.decode(p.lines.text(line), rec) {
		*rec = Record{}
		return ErrBadLine
	}
	p.names.Name(rec)
	return nil
}
