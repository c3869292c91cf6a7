//+------------------------------------------------------------------+
//| OrdergateBridge.mq4                                              |
//| The terminal's side of ordergate's MetaTrader 4 bridge.          |
//| Rules and formats: docs/reference/mt4-bridge.md of ordergate.    |
//| No DLL, no network: files below MQL4/Files alone.                |
//+------------------------------------------------------------------+
#property copyright "ordergate"
#property version   "1.00"
#property strict

input string Folder        = "ordergate"; // Folder below MQL4/Files
input int    OnlyAccount   = 0;           // Account that it may trade (0: any)
input int    SettleSeconds = 5;           // Seconds after a connection before lists are believed
input int    TimerMillis   = 100;         // Cycle
input string SymbolList    = "";          // Symbols to tell of, by commas (empty: Market Watch)

#define VERSION          "1.0"
#define DAY_SECONDS      86400
#define KEPT_DAYS        90
#define EARLY_SECONDS    120
#define AHEAD_SECONDS    60
#define MOST_SECONDS     300
#define UNREADABLE_AFTER 5
#define PAGE_ROWS        200
#define NO_OFFSET        999999
#define NOT_CALLED       -1

//+------------------------------------------------------------------+
//| Structures                                                       |
//+------------------------------------------------------------------+
struct Fields
  {
   string            keys[];
   string            values[];
   int               kinds[];    // 0 text, 1 whole number, 2 truth
  };

// A row of the terminal: an order, a position, or either of them ended. Times are the server's.
struct Row
  {
   int               ticket;
   int               type;
   string            symbol;
   double            lots;
   double            price;
   datetime          open_time;
   double            sl;
   double            tp;
   double            close_price;
   datetime          close_time;
   double            commission;
   double            swap;
   double            profit;
   string            comment;
   int               magic;
   datetime          expiry;
  };

// A ticket as the events have told it. `left`: lots that go on under a ticket not seen yet.
struct Held
  {
   Row               row;
   string            id;
   string            ref;
   bool              open;
   double            commission_open;
   double            left;
  };

struct Result
  {
   string            id;
   string            ref;
   long              gen;
   long              seq;
   string            op;
   string            state;
   string            why;
   int               code;
   string            text;
   int               ticket;
   string            lots;
   string            price;
   long              at;
   int               rest;
   bool              found;
   long              gmt;
   long              server_time;
  };

// What the journal knows under an id.
struct Known
  {
   string            id;
   string            ref;
   string            op;
   int               ticket;     // that a command names
   int               by;
   int               magic;
   string            command;    // as received; empty where it never was
   bool              answered;
   bool              is_sealed;
   Result            result;
  };

//+------------------------------------------------------------------+
//| State                                                            |
//+------------------------------------------------------------------+
uint     crc_table[256];
string   types[8] = {"buy", "sell", "buylimit", "selllimit", "buystop", "sellstop", "balance", "credit"};

int      lock_file      = INVALID_HANDLE;
bool     kept_out       = false;
bool     journal_open   = false;
bool     recovered      = false;
bool     told           = false;

Known    known[];
string   journal_name   = "";
long     journal_since  = 0;
bool     journal_headed = false;
bool     journal_ok     = true;
bool     journal_torn   = false;
string   journal_file   = "";
long     run_number     = 0;
long     generation     = 0;
long     bound_to       = 0;       // the account whose journal this is
string   session        = "";
long     started        = 0;

bool     in_doubt       = false;   // some command may be unknown
string   sought         = "";
Result   owed[];
string   owed_work[];
Result   unpublished[];
string   unpublished_work[];

string   stream         = "";
long     event_n        = 0;
bool     events_begun   = false;
bool     events_torn    = false;
string   events_file    = "";
datetime floor_time     = 0;
datetime looked_at      = 0;
int      history_seen   = -1;
int      missing        = 0;
Held     held[];

long     clock_now      = 0;
uint     clock_ticks    = 0;
long     connected_at   = -1;
int      offset_s       = NO_OFFSET;
datetime quoted_at      = 0;
string   last_day       = "";
string   waiting_names[];
long     waiting_since[];

string   shown_text[4];
long     shown_at[4];
long     shown_n[4];
bool     shown_ever[4];

//+------------------------------------------------------------------+
//| Text: check sums, JSON                                           |
//+------------------------------------------------------------------+
void MakeCrcTable()
  {
   for(uint i = 0; i < 256; i++)
     {
      uint c = i;
      for(int k = 0; k < 8; k++)
        {
         if((c & 1) != 0)
            c = 0xEDB88320 ^ (c >> 1);
         else
            c = c >> 1;
        }
      crc_table[i] = c;
     }
  }

string Hex(uint value, int digits)
  {
   string out = "";
   string all = "0123456789abcdef";
   for(int i = digits - 1; i >= 0; i--)
      out = out + StringSubstr(all, (int)((value >> (4 * i)) & 15), 1);
   return(out);
  }

string CrcOf(const uchar &data[], int from, int to)
  {
   uint c = 0xFFFFFFFF;
   for(int i = from; i < to; i++)
      c = crc_table[(int)((c ^ data[i]) & 255)] ^ (c >> 8);
   return(Hex(c ^ 0xFFFFFFFF, 8));
  }

// So many characters; StringSubstr takes a length of 0 for all that is left.
string Part(string text, int start, int length)
  {
   if(length <= 0)
      return("");
   return(StringSubstr(text, start, length));
  }

string Padded(long value, int digits)
  {
   string out = IntegerToString(value);
   while(StringLen(out) < digits)
      out = "0" + out;
   return(out);
  }

string Escaped(string text)
  {
   bool plain = true;
   int  length = StringLen(text);
   for(int i = 0; i < length && plain; i++)
     {
      int c = StringGetCharacter(text, i);
      plain = (c >= 0x20 && c < 0x7F && c != 0x22 && c != 0x5C);
     }
   if(plain)
      return(text);
   string out = "";
   for(int i = 0; i < length; i++)
     {
      int c = StringGetCharacter(text, i);
      if(c == 0x22 || c == 0x5C)
         out = out + "\\" + StringSubstr(text, i, 1);
      else
         if(c >= 0x20 && c < 0x7F)
            out = out + StringSubstr(text, i, 1);
         else
            out = out + "\\u" + Hex((uint)c, 4);
     }
   return(out);
  }

string JText(string key, string value)  { return(",\"" + key + "\":\"" + Escaped(value) + "\""); }
string JWhole(string key, long value)   { return(",\"" + key + "\":" + IntegerToString(value)); }
string JTruth(string key, bool value)   { return(",\"" + key + "\":" + (value ? "true" : "false")); }
string JNumber(string key, double value) { return(JText(key, Number(value))); }

string Number(double value)
  {
   if(MathAbs(value) < 0.000000005)
      value = 0.0;
   return(DoubleToString(value, 8));
  }

bool Same(double a, double b) { return(MathAbs(a - b) < 0.000000005); }

// One object, from its body without the closing brace: its length and check sum, and a line feed.
void Dress(string body, uchar &data[])
  {
   uchar bytes[];
   int   length = StringLen(body);
   StringToCharArray(body, bytes, 0, length);
   string crc = CrcOf(bytes, 0, length);
   string all = body + ",\"length\":" + IntegerToString(length) + ",\"crc32\":\"" + crc + "\"}\n";
   StringToCharArray(all, data, 0, StringLen(all));
   ArrayResize(data, StringLen(all));
  }

bool Matches(const uchar &data[], int at, string text)
  {
   int length = StringLen(text);
   if(at < 0 || at + length > ArraySize(data))
      return(false);
   for(int i = 0; i < length; i++)
      if(data[at + i] != StringGetCharacter(text, i))
         return(false);
   return(true);
  }

// The object between two bytes, the line feed included; false where it is unreadable.
bool Undress(const uchar &data[], int from, int to, Fields &out)
  {
   Clear(out);
   int tail = to - 21;   // ,"crc32":"xxxxxxxx"} and the line feed
   if(tail <= from || !Matches(data, tail, ",\"crc32\":\"") || !Matches(data, to - 3, "\"}\n"))
      return(false);
   int digits = tail;
   while(digits > from && data[digits - 1] >= 48 && data[digits - 1] <= 57)
      digits--;
   int at = digits - 10;
   if(digits == tail || at <= from || !Matches(data, at, ",\"length\":"))
      return(false);
   if(StringToInteger(CharArrayToString(data, digits, tail - digits)) != at - from)
      return(false);
   if(CharArrayToString(data, tail + 10, 8) != CrcOf(data, from, at))
      return(false);
   return(Parse(CharArrayToString(data, from, at - from) + "}", out));
  }

void Clear(Fields &out)
  {
   ArrayResize(out.keys, 0);
   ArrayResize(out.values, 0);
   ArrayResize(out.kinds, 0);
  }

void AddField(Fields &out, string key, string value, int kind)
  {
   int n = ArraySize(out.keys);
   ArrayResize(out.keys, n + 1);
   ArrayResize(out.values, n + 1);
   ArrayResize(out.kinds, n + 1);
   out.keys[n] = key;
   out.values[n] = value;
   out.kinds[n] = kind;
  }

// A text in quotes that begins at `at`; where it ends, or -1.
int ParseText(string text, int at, string &value)
  {
   value = "";
   if(StringGetCharacter(text, at) != 0x22)
      return(-1);
   int length = StringLen(text);
   int begin = at + 1;
   for(int i = begin; i < length; i++)
     {
      int c = StringGetCharacter(text, i);
      if(c != 0x22 && c != 0x5C)
         continue;
      value = value + Part(text, begin, i - begin);
      if(c == 0x22)
         return(i + 1);
      i++;
      int e = StringGetCharacter(text, i);
      if(e == 'u')
        {
         int code = HexValue(StringSubstr(text, i + 1, 4));
         if(code < 0)
            return(-1);
         value = value + ShortToString((ushort)code);
         i = i + 4;
        }
      else
        {
         int at_escape = StringFind("\"\\/bfnrt", StringSubstr(text, i, 1));
         if(at_escape < 0)
            return(-1);
         int meant[8] = {0x22, 0x5C, 0x2F, 8, 12, 10, 13, 9};
         value = value + ShortToString((ushort)meant[at_escape]);
        }
      begin = i + 1;
     }
   return(-1);
  }

int HexValue(string digits)
  {
   if(StringLen(digits) != 4)
      return(-1);
   int value = 0;
   for(int i = 0; i < 4; i++)
     {
      int c = StringGetCharacter(digits, i);
      int digit = -1;
      if(c >= '0' && c <= '9')
         digit = c - '0';
      if(c >= 'a' && c <= 'f')
         digit = c - 'a' + 10;
      if(c >= 'A' && c <= 'F')
         digit = c - 'A' + 10;
      if(digit < 0)
         return(-1);
      value = value * 16 + digit;
     }
   return(value);
  }

// Past an array, which nothing here needs; -1 where it does not end.
int SkipArray(string text, int at)
  {
   int    depth = 0;
   int    length = StringLen(text);
   string unused = "";
   for(int i = at; i >= 0 && i < length; i++)
     {
      int c = StringGetCharacter(text, i);
      if(c == 0x22)
        {
         i = ParseText(text, i, unused) - 1;
         if(i < 0)
            return(-1);
        }
      if(c == '[')
         depth++;
      if(c == ']')
        {
         depth--;
         if(depth == 0)
            return(i + 1);
        }
     }
   return(-1);
  }

// An object of texts, whole numbers and truths, without blanks.
bool Parse(string text, Fields &out)
  {
   Clear(out);
   int length = StringLen(text);
   if(length < 2 || StringGetCharacter(text, 0) != '{')
      return(false);
   int at = 1;
   while(at > 0 && at < length)
     {
      string key = "";
      string value = "";
      at = ParseText(text, at, key);
      if(at < 0 || StringGetCharacter(text, at) != ':')
         return(false);
      at++;
      int c = StringGetCharacter(text, at);
      if(c == 0x22)
        {
         at = ParseText(text, at, value);
         AddField(out, key, value, 0);
        }
      else
         if(c == '[')
            at = SkipArray(text, at);
         else
           {
            int end = at;
            while(end < length && StringGetCharacter(text, end) != ',' && StringGetCharacter(text, end) != '}')
               end++;
            value = Part(text, at, end - at);
            if(value == "true" || value == "false")
               AddField(out, key, value, 2);
            else
               if(IsWhole(value))
                  AddField(out, key, value, 1);
               else
                  return(false);
            at = end;
           }
      if(at < 0 || at >= length)
         return(false);
      c = StringGetCharacter(text, at);
      if(c == '}')
         return(at == length - 1);
      if(c != ',')
         return(false);
      at++;
     }
   return(false);
  }

bool IsWhole(string text)
  {
   int length = StringLen(text);
   int first = (length > 0 && StringGetCharacter(text, 0) == '-') ? 1 : 0;
   if(length - first < 1 || length - first > 18)
      return(false);
   for(int i = first; i < length; i++)
      if(StringGetCharacter(text, i) < '0' || StringGetCharacter(text, i) > '9')
         return(false);
   return(true);
  }

// Up to 15 digits, and a point with up to 8.
bool IsDecimal(string text)
  {
   int length = StringLen(text);
   int point = StringFind(text, ".");
   int before = point < 0 ? length : point;
   int after = point < 0 ? 0 : length - point - 1;
   if(before < 1 || before > 15 || after > 8 || (point >= 0 && after < 1))
      return(false);
   for(int i = 0; i < length; i++)
      if(i != point && (StringGetCharacter(text, i) < '0' || StringGetCharacter(text, i) > '9'))
         return(false);
   return(true);
  }

int IndexOf(const Fields &fields, string key)
  {
   for(int i = ArraySize(fields.keys) - 1; i >= 0; i--)
      if(fields.keys[i] == key)
         return(i);
   return(-1);
  }

bool Has(const Fields &fields, string key) { return(IndexOf(fields, key) >= 0); }

string Get(const Fields &fields, string key)
  {
   int i = IndexOf(fields, key);
   if(i < 0)
      return("");
   return(fields.values[i]);
  }

bool IsKind(const Fields &fields, string key, int kind)
  {
   int i = IndexOf(fields, key);
   return(i >= 0 && fields.kinds[i] == kind);
  }

long GetWhole(const Fields &fields, string key)
  {
   if(!IsKind(fields, key, 1))
      return(0);
   return(StringToInteger(Get(fields, key)));
  }

bool GetTruth(const Fields &fields, string key) { return(Get(fields, key) == "true"); }

double GetNumber(const Fields &fields, string key)
  {
   if(!IsKind(fields, key, 0))
      return(0.0);
   return(StringToDouble(Get(fields, key)));
  }

// The body again, with another `kind`.
string Restated(const Fields &fields, string kind)
  {
   string body = "{\"v\":1" + JText("kind", kind);
   for(int i = 0; i < ArraySize(fields.keys); i++)
     {
      if(fields.keys[i] == "v" || fields.keys[i] == "kind")
         continue;
      if(fields.kinds[i] == 0)
         body = body + JText(fields.keys[i], fields.values[i]);
      else
         body = body + ",\"" + fields.keys[i] + "\":" + fields.values[i];
     }
   return(body);
  }

bool IsAlphabet(string text, int least, int most, string alphabet)
  {
   int length = StringLen(text);
   if(length < least || length > most)
      return(false);
   for(int i = 0; i < length; i++)
      if(StringFind(alphabet, StringSubstr(text, i, 1)) < 0)
         return(false);
   return(true);
  }

bool IsId(string text) { return(IsAlphabet(text, 26, 26, "abcdefghijklmnopqrstuvwxyz234567")); }

bool IsPrintable(string text, int most)
  {
   int length = StringLen(text);
   if(length < 1 || length > most)
      return(false);
   for(int i = 0; i < length; i++)
      if(StringGetCharacter(text, i) < 0x20 || StringGetCharacter(text, i) > 0x7E)
         return(false);
   return(true);
  }

bool BeginsWith(string text, string start) { return(Part(text, 0, StringLen(start)) == start); }

//+------------------------------------------------------------------+
//| Files                                                            |
//+------------------------------------------------------------------+
string PathOf(string name) { return(Folder + "\\" + name); }

bool ReadFile(string name, uchar &data[])
  {
   ArrayResize(data, 0);
   int file = FileOpen(PathOf(name), FILE_READ | FILE_BIN | FILE_SHARE_READ | FILE_SHARE_WRITE);
   if(file == INVALID_HANDLE)
      return(false);
   int size = (int)FileSize(file);
   bool whole = (size == 0 || (int)FileReadArray(file, data, 0, size) == size);
   FileClose(file);
   return(whole);
  }

bool ReadObject(string name, Fields &out)
  {
   uchar data[];
   Clear(out);
   return(ReadFile(name, data) && Undress(data, 0, ArraySize(data), out));
  }

bool PutFile(string name, const uchar &data[])
  {
   int file = FileOpen(PathOf(name), FILE_WRITE | FILE_BIN | FILE_SHARE_READ);
   if(file == INVALID_HANDLE)
      return(false);
   int size = ArraySize(data);
   bool whole = ((int)FileWriteArray(file, data, 0, size) == size);
   FileFlush(file);
   FileClose(file);
   return(whole);
  }

bool MoveFile(string from, string to)
  {
   return(FileMove(PathOf(from), 0, PathOf(to), FILE_REWRITE));
  }

// Writes beside it, and renames.
bool ReplaceFile(string folder, string name, string body)
  {
   uchar data[];
   Dress(body, data);
   return(PutFile(folder + "\\tmp-" + name, data) && MoveFile(folder + "\\tmp-" + name, folder + "\\" + name));
  }

// A line at the end, flushed; after one that was not written whole, it begins on a line of its own.
bool AppendLine(string name, string body, bool &torn)
  {
   uchar data[];
   uchar all[];
   Dress(body, data);
   int extra = torn ? 1 : 0;
   int size = ArraySize(data) + extra;
   ArrayResize(all, size);
   if(extra == 1)
      all[0] = 10;
   for(int i = 0; i < ArraySize(data); i++)
      all[i + extra] = data[i];
   int file = FileOpen(PathOf(name), FILE_READ | FILE_WRITE | FILE_BIN | FILE_SHARE_READ);
   if(file == INVALID_HANDLE)
      return(false);
   FileSeek(file, 0, SEEK_END);
   bool whole = ((int)FileWriteArray(file, all, 0, size) == size);
   FileFlush(file);
   FileClose(file);
   torn = !whole;
   return(whole);
  }

// The files of a folder whose names begin so, sorted.
int NamesIn(string folder, string start, string &names[])
  {
   ArrayResize(names, 0);
   string name = "";
   long   search = FileFindFirst(PathOf(folder) + "\\*", name);
   if(search == INVALID_HANDLE)
      return(0);
   do
     {
      if(!BeginsWith(name, start) || StringFind(name, "\\") >= 0)
         continue;
      int n = ArraySize(names);
      ArrayResize(names, n + 1);
      int at = n;
      while(at > 0 && StringCompare(names[at - 1], name) > 0)
        {
         names[at] = names[at - 1];
         at--;
        }
      names[at] = name;
     }
   while(FileFindNext(search, name));
   FileFindClose(search);
   return(ArraySize(names));
  }

bool EndsTorn(string name)
  {
   uchar data[];
   if(!ReadFile(name, data) || ArraySize(data) == 0)
      return(false);
   return(data[ArraySize(data) - 1] != 10);
  }

// Where the line that begins at `from` ends, its line feed included; -1 at the end.
int LineEnd(const uchar &data[], int from)
  {
   int size = ArraySize(data);
   for(int i = from; i < size; i++)
      if(data[i] == 10)
         return(i + 1);
   return(-1);
  }

string DayOf(long gmt)
  {
   string day = TimeToString((datetime)gmt, TIME_DATE);
   StringReplace(day, ".", "");
   return(day);
  }

string RandomName()
  {
   string out = "";
   for(int i = 0; i < 4; i++)
      out = out + Hex((uint)(MathRand() * 2 + MathRand() % 2), 4);
   return(out);
  }

//+------------------------------------------------------------------+
//| Clocks                                                           |
//+------------------------------------------------------------------+
// Seconds, GMT; never back within a run.
long Now()
  {
   uint ticks = GetTickCount();
   long now = (long)TimeGMT();
   if(now >= clock_now)
     {
      clock_now = now;
      clock_ticks = ticks;
     }
   else
     {
      uint passed = (ticks - clock_ticks) / 1000;
      clock_now += passed;
      clock_ticks += passed * 1000;
     }
   return(clock_now);
  }

int Offset() { return(offset_s == NO_OFFSET ? 0 : offset_s); }

//+------------------------------------------------------------------+
//| Rows                                                             |
//+------------------------------------------------------------------+
void TakeSelected(Row &row)
  {
   row.ticket = OrderTicket();
   row.type = OrderType();
   row.symbol = OrderSymbol();
   row.lots = OrderLots();
   row.price = OrderOpenPrice();
   row.open_time = OrderOpenTime();
   row.sl = OrderStopLoss();
   row.tp = OrderTakeProfit();
   row.close_price = OrderClosePrice();
   row.close_time = OrderCloseTime();
   row.commission = OrderCommission();
   row.swap = OrderSwap();
   row.profit = OrderProfit();
   row.comment = OrderComment();
   row.magic = OrderMagicNumber();
   row.expiry = OrderExpiration();
  }

bool RowAt(int index, int pool, Row &row)
  {
   if(!OrderSelect(index, SELECT_BY_POS, pool))
      return(false);
   TakeSelected(row);
   return(true);
  }

bool RowOf(int ticket, Row &row)
  {
   if(ticket <= 0 || !OrderSelect(ticket, SELECT_BY_TICKET))
      return(false);
   TakeSelected(row);
   return(true);
  }

// All that is open, of one moment; false where the list changed while it was read.
bool Pool(Row &rows[])
  {
   int total = OrdersTotal();
   ArrayResize(rows, total);
   for(int i = 0; i < total; i++)
      if(!RowAt(i, MODE_TRADES, rows[i]))
         return(false);
   return(total == OrdersTotal());
  }

bool IsPending(const Row &row) { return(row.type >= OP_BUYLIMIT && row.type <= OP_SELLSTOP); }

bool Buys(int type) { return(type == OP_BUY || type == OP_BUYLIMIT || type == OP_BUYSTOP); }

int TypeOf(string name)
  {
   for(int i = 0; i < 6; i++)
      if(types[i] == name)
         return(i);
   return(-1);
  }

int AnyTypeOf(string name)
  {
   for(int i = 0; i < 8; i++)
      if(types[i] == name)
         return(i);
   return(-1);
  }

string RowBody(const Row &row, string id, string ref)
  {
   return(JWhole("ticket", row.ticket) + JText("id", id) + JText("ref", ref) + JText("symbol", row.symbol) + JText("type", types[row.type])
          + JNumber("lots", row.lots) + JNumber("price", row.price) + JWhole("open_time", (long)row.open_time)
          + JNumber("sl", row.sl) + JNumber("tp", row.tp) + JWhole("expiry", (long)row.expiry) + JWhole("magic", row.magic)
          + JText("comment", row.comment) + JNumber("commission", row.commission) + JNumber("swap", row.swap)
          + JNumber("profit", row.profit));
  }

// The number after a mark in a comment; 0 where it is not there.
int NumberAfter(string comment, string mark)
  {
   int at = StringFind(comment, mark);
   if(at < 0)
      return(0);
   return((int)StringToInteger(StringSubstr(comment, at + StringLen(mark))));
  }

bool ByLevel(const Row &row)
  {
   string comment = row.comment;
   StringToLower(comment);
   return(StringFind(comment, "[sl]") >= 0 || StringFind(comment, "[tp]") >= 0 || BeginsWith(comment, "so:"));
  }

//+------------------------------------------------------------------+
//| Journal                                                          |
//+------------------------------------------------------------------+
int KnownIndex(string id)
  {
   for(int i = ArraySize(known) - 1; i >= 0; i--)
      if(known[i].id == id)
         return(i);
   return(-1);
  }

int KnownOrNew(string id)
  {
   int i = KnownIndex(id);
   if(i >= 0)
      return(i);
   int n = ArraySize(known);
   ArrayResize(known, n + 1, 256);
   known[n].id = id;
   known[n].ref = "";
   known[n].op = "";
   known[n].ticket = 0;
   known[n].by = 0;
   known[n].magic = 0;
   known[n].command = "";
   known[n].answered = false;
   known[n].is_sealed = false;
   return(n);
  }

void TakeRecord(const Fields &fields)
  {
   string kind = Get(fields, "kind");
   if(kind == "HEAD")
     {
      journal_name = Get(fields, "journal");
      journal_since = GetWhole(fields, "since");
      if(Has(fields, "account"))
         bound_to = GetWhole(fields, "account");
      if(Has(fields, "run"))
        {
         run_number = GetWhole(fields, "run");
         generation = GetWhole(fields, "gen");
         session = Get(fields, "session");
        }
      journal_headed = true;
     }
   if(kind == "RUN")
      run_number = GetWhole(fields, "run");
   if(kind == "GRANT")
     {
      generation = GetWhole(fields, "gen");
      session = Get(fields, "session");
     }
   if(kind == "RECEIVED")
     {
      int i = KnownOrNew(Get(fields, "id"));
      known[i].ref = Get(fields, "ref");
      known[i].op = Get(fields, "op");
      known[i].ticket = (int)GetWhole(fields, "ticket");
      known[i].by = (int)GetWhole(fields, "by");
      known[i].magic = (int)GetWhole(fields, "magic");
      known[i].command = Restated(fields, "command") + "}";
     }
   if(kind == "RESULT")
     {
      int i = KnownOrNew(Get(fields, "id"));
      known[i].answered = true;
      TakeResult(fields, known[i].result);
      if(known[i].result.state == "unknown")
         in_doubt = true;
     }
   if(kind == "SEALED")
     {
      int i = KnownOrNew(Get(fields, "id"));
      known[i].is_sealed = true;
     }
  }

void TakeResult(const Fields &fields, Result &result)
  {
   result.id = Get(fields, "id");
   result.ref = Get(fields, "ref");
   result.gen = GetWhole(fields, "gen");
   result.seq = GetWhole(fields, "seq");
   result.op = Get(fields, "op");
   result.state = Get(fields, "state");
   result.why = Get(fields, "why");
   result.code = (int)GetWhole(fields, "code");
   result.text = Get(fields, "text");
   result.ticket = (int)GetWhole(fields, "ticket");
   result.lots = Get(fields, "lots");
   result.price = Get(fields, "price");
   result.at = GetWhole(fields, "at");
   result.rest = (int)GetWhole(fields, "rest");
   result.found = GetTruth(fields, "found");
   result.gmt = GetWhole(fields, "gmt");
   result.server_time = GetWhole(fields, "server_time");
  }

string HeadBody()
  {
   return("{\"v\":1" + JText("kind", "HEAD") + JText("journal", journal_name) + JWhole("since", journal_since)
          + JWhole("run", run_number) + JWhole("gen", generation) + JText("session", session)
          + (bound_to > 0 ? JWhole("account", bound_to) : ""));
  }

// Appends and remembers; false, and remembers nothing, where it cannot be written whole.
bool WriteRecord(string body)
  {
   string name = "journal\\journal-" + DayOf(Now()) + ".jsonl";
   if(StringCompare(name, journal_file) > 0)
     {
      journal_ok = AppendLine(name, HeadBody(), journal_torn);
      if(!journal_ok)
         return(false);
      journal_file = name;
      journal_headed = true;
     }
   journal_ok = AppendLine(journal_file, body, journal_torn);
   if(!journal_ok)
      return(false);
   Fields fields;
   if(Parse(body + "}", fields))
      TakeRecord(fields);
   return(true);
  }

// Reads all of it, and begins a run.
bool OpenJournal()
  {
   string names[];
   int    count = NamesIn("journal", "journal-", names);
   ArrayResize(known, 0);
   for(int i = 0; i < count; i++)
     {
      uchar data[];
      if(!ReadFile("journal\\" + names[i], data))
         return(false);
      int from = 0;
      for(int to = LineEnd(data, from); to > 0; to = LineEnd(data, from))
        {
         Fields fields;
         if(Undress(data, from, to, fields))
            TakeRecord(fields);
         from = to;
        }
     }
   if(count > 0)
     {
      journal_file = "journal\\" + names[count - 1];
      journal_torn = EndsTorn(journal_file);
     }
   if(journal_name == "")
      journal_name = RandomName();
   if(journal_since == 0)
      journal_since = Now();
   if(count > 0 && !journal_headed && !WriteRecord(HeadBody()))
      return(false);
   return(WriteRecord("{\"v\":1" + JText("kind", "RUN") + JWhole("run", run_number + 1)));
  }

// Whether all commands in a journal's file have ended.
bool JournalEnded(string name)
  {
   uchar data[];
   if(!ReadFile(name, data))
      return(false);
   int from = 0;
   for(int to = LineEnd(data, from); to > 0; to = LineEnd(data, from))
     {
      Fields fields;
      if(Undress(data, from, to, fields) && Get(fields, "kind") == "RECEIVED")
        {
         int i = KnownIndex(Get(fields, "id"));
         if(i < 0 || !known[i].answered || known[i].result.state == "unknown")
            return(false);
        }
      from = to;
     }
   return(true);
  }

void DropOldJournals()
  {
   long   oldest = Now() - (long)KEPT_DAYS * DAY_SECONDS;
   string names[];
   int    count = NamesIn("journal", "journal-", names);
   for(int i = 0; i < count; i++)
     {
      if(StringCompare(StringSubstr(names[i], 8, 8), DayOf(oldest)) >= 0 || !JournalEnded("journal\\" + names[i]))
         return;
      if(oldest > journal_since)
         journal_since = oldest;
      if(!WriteRecord(HeadBody()) || !FileDelete(PathOf("journal\\" + names[i])))
         return;
     }
  }

//+------------------------------------------------------------------+
//| Whether the account shows that a command was carried out         |
//+------------------------------------------------------------------+
bool Belongs(const Row &row, const Fields &command)
  {
   if(row.type > OP_SELLSTOP || row.magic != GetWhole(command, "magic"))
      return(false);
   if(Has(command, "symbol") && row.symbol != Get(command, "symbol"))
      return(false);
   if(Has(command, "type"))
     {
      int type = TypeOf(Get(command, "type"));
      if(type < 0 || Buys(type) != Buys(row.type))
         return(false);
     }
   if(offset_s != NO_OFFSET && (long)row.open_time < GetWhole(command, "sent_at") + offset_s - EARLY_SECONDS)
      return(false);
   return(BeginsWith(row.comment, StringSubstr(Get(command, "comment"), 0, 11)) || !BeginsWith(row.comment, "og-"));
  }

// Whether a ticket that a `close`, `close_by` or `delete` names may have ended by it.
bool EndedBy(const Row &row, const Fields &command)
  {
   if(row.close_time == 0 || ByLevel(row) || !AsMuch(row, command))
      return(false);
   return(offset_s == NO_OFFSET || (long)row.close_time >= GetWhole(command, "sent_at") + offset_s - EARLY_SECONDS);
  }

// Whether what ended is what the command was to end; the hedge of a `close_by` may show no lots.
bool AsMuch(const Row &row, const Fields &command)
  {
   string op = Get(command, "op");
   if(op != "close")
      return(IsPending(row) == (op == "delete"));
   double lots = Has(command, "lots") ? GetNumber(command, "lots") : WholeLots(row);
   return(!Same(row.lots, 0) && Same(row.lots, lots));
  }

bool IsEnding(string op) { return(op == "close" || op == "close_by" || op == "delete"); }

// Whether another command is known to have ended a ticket that this one was to end.
bool EndedOtherwise(const Fields &command)
  {
   if(!IsEnding(Get(command, "op")))
      return(false);
   string id = Get(command, "id");
   int    ticket = (int)GetWhole(command, "ticket");
   int    by = (int)GetWhole(command, "by");
   for(int i = 0; i < ArraySize(known); i++)
      if(IsEnding(known[i].op) && known[i].id != id && known[i].answered && known[i].result.state == "done"
         && (known[i].ticket == ticket || known[i].by == ticket
             || (by > 0 && (known[i].ticket == by || known[i].by == by))))
         return(true);
   return(false);
  }

bool Search(const Fields &command, Row &row)
  {
   string op = Get(command, "op");
   if(op == "open")
      return(SearchOpened(command, row));
   if(!IsKind(command, "ticket", 1) || !RowOf((int)GetWhole(command, "ticket"), row))
      return(false);
   if(op != "modify")
      return(EndedBy(row, command));
   Row    wanted = row;
   string wrong = "";
   if(row.close_time != 0 || !WantedTerms(command, wanted, wrong))
      return(false);
   return(Same(wanted.price, row.price) && Same(wanted.sl, row.sl) && Same(wanted.tp, row.tp)
          && wanted.expiry == row.expiry);
  }

bool SearchOpened(const Fields &command, Row &best)
  {
   bool found = false;
   Row  row;
   for(int pool = 0; pool < 2; pool++)
     {
      int mode = pool == 0 ? MODE_TRADES : MODE_HISTORY;
      int total = pool == 0 ? OrdersTotal() : OrdersHistoryTotal();
      for(int i = 0; i < total; i++)
         if(RowAt(i, mode, row) && Belongs(row, command) && (!found || row.ticket < best.ticket))
           {
            best = row;
            found = true;
           }
     }
   return(found);
  }

// The id of the `open` that a ticket came of, or an empty text.
string Opener(const Row &row)
  {
   for(int i = 0; i < ArraySize(known); i++)
     {
      if(known[i].op != "open")
         continue;
      if(known[i].answered && known[i].result.state == "done")
        {
         if(known[i].result.ticket == row.ticket)
            return(known[i].id);
         continue;
        }
      if(known[i].magic != row.magic || (known[i].answered && known[i].result.state != "unknown"))
         continue;
      Fields command;
      if(Parse(known[i].command, command) && Belongs(row, command))
         return(known[i].id);
     }
   return("");
  }

// What the client calls a command.
string RefOf(string id)
  {
   int i = id == "" ? -1 : KnownIndex(id);
   if(i < 0 || known[i].command == "")
      return("");
   return(known[i].ref);
  }

// The id of the command that ended a ticket, or an empty text.
string Closer(const Row &row)
  {
   string maybe = "";
   for(int i = 0; i < ArraySize(known); i++)
     {
      if(!IsEnding(known[i].op))
         continue;
      if(known[i].ticket != row.ticket && known[i].by != row.ticket)
         continue;
      string state = known[i].answered ? known[i].result.state : "unknown";
      if(state == "done")
         return(known[i].id);
      Fields command;
      if(state == "unknown" && maybe == "" && Parse(known[i].command, command) && EndedBy(row, command)
         && !EndedOtherwise(command))
         maybe = known[i].id;
     }
   return(maybe);
  }

//+------------------------------------------------------------------+
//| Events                                                           |
//+------------------------------------------------------------------+
int HeldIndex(int ticket)
  {
   for(int i = ArraySize(held) - 1; i >= 0; i--)
      if(held[i].row.ticket == ticket)
         return(i);
   return(-1);
  }

void TakeRow(const Fields &line, Row &row)
  {
   row.ticket = (int)GetWhole(line, "ticket");
   row.type = AnyTypeOf(Get(line, "type"));
   row.symbol = Get(line, "symbol");
   row.lots = GetNumber(line, "lots");
   row.price = GetNumber(line, "price");
   row.open_time = (datetime)GetWhole(line, "open_time");
   row.sl = GetNumber(line, "sl");
   row.tp = GetNumber(line, "tp");
   row.close_price = 0;
   row.close_time = (datetime)GetWhole(line, "close_time");
   row.commission = GetNumber(line, "commission");
   row.swap = 0;
   row.profit = 0;
   row.comment = Get(line, "comment");
   row.magic = (int)GetWhole(line, "magic");
   row.expiry = (datetime)GetWhole(line, "expiry");
  }

void TakeEvent(const Fields &line)
  {
   string kind = Get(line, "kind");
   event_n = GetWhole(line, "n");
   if(kind == "begin")
     {
      stream = Get(line, "stream");
      events_begun = false;
     }
   if(kind == "begun")
     {
      floor_time = (datetime)GetWhole(line, "floor");
      events_begun = true;
     }
   if(kind == "begin" || kind == "begun" || kind == "result")
      return;
   int before = HeldIndex((int)GetWhole(line, "ticket"));
   Held one;
   TakeRow(line, one.row);
   if(kind == "balance")
      one.row.type = 6;
   one.id = Get(line, "id");
   one.ref = Get(line, "ref");
   one.open = (kind != "closed" && kind != "deleted" && kind != "balance");
   one.left = GetNumber(line, "left");
   one.commission_open = before >= 0 ? held[before].commission_open : 0.0;
   if(kind == "opened" || kind == "moved")
      one.commission_open = one.row.commission;
   if(kind == "still")
     {
      one.open = GetTruth(line, "open");
      one.commission_open = GetNumber(line, "commission_open");
     }
   if(kind == "moved")
     {
      int parent = HeldIndex((int)GetWhole(line, "from"));
      if(parent >= 0)
         held[parent].left = 0;
     }
   if(before < 0)
     {
      before = ArraySize(held);
      ArrayResize(held, before + 1, 256);
     }
   held[before] = one;
  }

// Reads back what was told: from the last whole beginning of a file on.
bool OpenEvents()
  {
   string names[];
   int    count = NamesIn("events", "events-", names);
   int    first = -1;
   for(int i = count - 1; i >= 0 && first < 0; i--)
      if(HasBegun("events\\" + names[i]))
         first = i;
   if(count > 0)
     {
      events_file = "events\\" + names[count - 1];
      events_torn = EndsTorn(events_file);
     }
   stream = RandomName();
   if(first < 0)
      return(true);
   for(int i = first; i < count; i++)
     {
      uchar data[];
      if(!ReadFile("events\\" + names[i], data))
         return(false);
      int from = 0;
      for(int to = LineEnd(data, from); to > 0; to = LineEnd(data, from))
        {
         Fields line;
         if(Undress(data, from, to, line))
            TakeEvent(line);
         from = to;
        }
     }
   return(true);
  }

bool HasBegun(string name)
  {
   uchar data[];
   if(!ReadFile(name, data))
      return(false);
   int from = 0;
   for(int to = LineEnd(data, from); to > 0; to = LineEnd(data, from))
     {
      Fields line;
      if(Undress(data, from, to, line) && Get(line, "kind") == "begun")
         return(true);
      from = to;
     }
   return(false);
  }

bool WriteEvent(string kind, string body)
  {
   string whole = "{\"v\":1" + JText("kind", kind) + JWhole("n", event_n + 1) + JWhole("gmt", Now())
                  + JWhole("server_time", (long)TimeCurrent()) + body;
   if(!AppendLine(events_file, whole, events_torn))
      return(false);
   Fields line;
   if(Parse(whole + "}", line))
      TakeEvent(line);
   return(true);
  }

string TodaysEvents()
  {
   string name = "events\\events-" + DayOf(Now()) + ".jsonl";
   return(StringCompare(name, events_file) > 0 ? name : events_file);
  }

// One line more; false where it could not be written, and then nothing is remembered of it.
bool Tell(string kind, string body)
  {
   string name = TodaysEvents();
   if((name != events_file || !events_begun) && !BeginEvents(name))
      return(false);
   return(WriteEvent(kind, body));
  }

bool BeginEvents(string name)
  {
   if(name != events_file && looked_at > 0)
     {
      if(looked_at - DAY_SECONDS > floor_time)
         floor_time = looked_at - DAY_SECONDS;
      ForgetOld();
     }
   if(floor_time == 0)
      floor_time = TimeCurrent();
   bool first = (!events_begun && ArraySize(held) == 0);
   events_file = name;
   events_begun = false;
   if(!WriteEvent("begin", JText("stream", stream) + JWhole("run", run_number)))
      return(false);
   if(first && !LookFirst())
      return(false);
   for(int i = 0; i < ArraySize(held); i++)
     {
      Held one = held[i];
      if(!WriteEvent("still", RowBody(one.row, one.id, one.ref) + JTruth("open", one.open)
                     + JWhole("close_time", (long)one.row.close_time) + JNumber("commission_open", one.commission_open)
                     + JNumber("left", one.left)))
         return(false);
     }
   return(WriteEvent("begun", JWhole("floor", (long)floor_time)));
  }

void ForgetOld()
  {
   int kept = 0;
   for(int i = 0; i < ArraySize(held); i++)
      if(held[i].open || held[i].left > 0 || held[i].row.close_time >= floor_time)
        {
         if(kept != i)
            held[kept] = held[i];
         kept++;
        }
   ArrayResize(held, kept, 256);
  }

// What is there before anything was told is no event.
bool LookFirst()
  {
   Row rows[];
   if(!Pool(rows))
      return(false);
   ArrayResize(held, ArraySize(rows), 256);
   for(int i = 0; i < ArraySize(rows); i++)
     {
      held[i].row = rows[i];
      held[i].id = Opener(rows[i]);
      held[i].ref = RefOf(held[i].id);
      held[i].open = true;
      held[i].commission_open = rows[i].commission;
      held[i].left = 0;
     }
   return(true);
  }

// Compares what the terminal shows with what was told. Whether all of it is told now.
bool Look()
  {
   if(!events_begun && !BeginEvents(TodaysEvents()))
      return(false);
   datetime now = TimeCurrent();
   Row rows[];
   if(!Pool(rows))
      return(false);
   missing = 0;
   if(!TellEnded(rows) || !TellNew(rows) || !TellChanged(rows))
      return(false);
   looked_at = now;
   return(true);
  }

int TicketIn(const Row &rows[], int ticket)
  {
   for(int i = 0; i < ArraySize(rows); i++)
      if(rows[i].ticket == ticket)
         return(i);
   return(-1);
  }

bool TellEnded(const Row &rows[])
  {
   int ended[];
   for(int i = 0; i < ArraySize(held); i++)
      if(held[i].open && TicketIn(rows, held[i].row.ticket) < 0)
        {
         int n = ArraySize(ended);
         ArrayResize(ended, n + 1);
         ended[n] = held[i].row.ticket;
        }
   if(ArraySize(ended) > 1)
      ArraySort(ended);
   for(int i = 0; i < ArraySize(ended); i++)
     {
      Row row;
      if(!RowOf(ended[i], row) || row.close_time == 0)
        {
         missing++;
         continue;
        }
      Held one = held[HeldIndex(ended[i])];
      if(IsPending(one.row) && !IsPending(row))
        {
         Row whole = row;
         whole.lots = one.row.lots;
         if(!Tell("opened", RowBody(whole, one.id, one.ref)))
            return(false);
        }
      if(!TellClosed(row))
         return(false);
     }
   return(true);
  }

bool TellClosed(const Row &row)
  {
   Held   one = held[HeldIndex(row.ticket)];
   string by = Closer(row);
   if(IsPending(row))
     {
      bool   gone = BeginsWith(row.comment, "expiration") || (row.expiry > 0 && row.close_time >= row.expiry);
      string reason = by != "" ? "command" : (gone ? "expired" : "other");
      return(Tell("deleted", RowBody(row, one.id, one.ref) + JWhole("close_time", (long)row.close_time) + JText("reason", reason)
                  + JText("by", by) + JText("by_ref", RefOf(by))));
     }
   Row ended = row;
   if(Same(row.lots, 0))
      ended.lots = HedgedLots(row, one);
   double left = MathMax(one.row.lots - ended.lots, 0.0);
   return(Tell("closed", RowBody(ended, one.id, one.ref) + JNumber("close_price", row.close_price)
               + JWhole("close_time", (long)row.close_time) + JNumber("left", left) + JText("reason", ReasonOf(row, by))
               + JText("by", by) + JText("by_ref", RefOf(by)) + JNumber("commission_open", one.commission_open)));
  }

// A server may tell no lots of the hedge of a `close_by`: what both had is what was closed.
double HedgedLots(const Row &row, const Held &one)
  {
   int other = HeldIndex(NumberAfter(row.comment, "close hedge by #"));
   if(other < 0)
      return(one.row.lots);
   return(MathMin(one.row.lots, held[other].row.lots + held[other].left));
  }

string ReasonOf(const Row &row, string by)
  {
   if(by != "")
      return("command");
   string comment = row.comment;
   StringToLower(comment);
   if(BeginsWith(comment, "so:"))
      return("so");
   if(StringFind(comment, "[sl]") >= 0)
      return("sl");
   if(StringFind(comment, "[tp]") >= 0)
      return("tp");
   return("other");
  }

bool TellNew(const Row &rows[])
  {
   Row fresh[];
   for(int i = 0; i < ArraySize(rows); i++)
      if(HeldIndex(rows[i].ticket) < 0)
         AddSorted(fresh, rows[i]);
   int total = OrdersHistoryTotal();
   if(total != history_seen)
     {
      Row row;
      for(int i = 0; i < total; i++)
         if(RowAt(i, MODE_HISTORY, row) && row.close_time >= floor_time && HeldIndex(row.ticket) < 0)
            AddSorted(fresh, row);
     }
   for(int i = 0; i < ArraySize(fresh); i++)
      if(!TellOne(fresh[i]))
         return(false);
   history_seen = total;
   return(true);
  }

void AddSorted(Row &rows[], const Row &row)
  {
   int n = ArraySize(rows);
   ArrayResize(rows, n + 1, 64);
   while(n > 0 && rows[n - 1].ticket > row.ticket)
     {
      rows[n] = rows[n - 1];
      n--;
     }
   rows[n] = row;
  }

bool TellOne(const Row &row)
  {
   if(row.type > OP_SELLSTOP)
      return(Tell("balance", JWhole("ticket", row.ticket) + JNumber("amount", row.profit) + JText("comment", row.comment)
                  + JWhole("close_time", (long)row.close_time)));
   Row    whole = row;
   string id = "";
   string ref = "";
   bool   done = false;
   int    parent = ParentOf(row);
   whole.lots = WholeLots(row);
   if(parent > 0)
     {
      int at = HeldIndex(parent);
      if(at >= 0)
        {
         id = held[at].id;
         ref = held[at].ref;
        }
      done = Tell("moved", JWhole("from", parent) + JWhole("to", row.ticket) + RowBody(whole, id, ref));
     }
   else
     {
      id = Opener(row);
      done = Tell(IsPending(row) ? "placed" : "opened", RowBody(whole, id, RefOf(id)));
     }
   return(done && (row.close_time == 0 || TellClosed(row)));
  }

// The lots that a ticket began with: one that is new and was partly closed already shows only that part.
double WholeLots(const Row &row)
  {
   Row other;
   if(row.close_time == 0)
      return(row.lots);
   int  named = NumberAfter(row.comment, "to #");
   bool found = named > 0 ? RowOf(named, other) : RestRow(row.ticket, true, other);
   return(found ? row.lots + WholeLots(other) : row.lots);
  }

// What a partial close of a ticket left.
bool RestRow(int ticket, bool ended_too, Row &row)
  {
   string mark = "from #" + IntegerToString(ticket);
   for(int pool = 0; pool < (ended_too ? 2 : 1); pool++)
     {
      int mode = pool == 0 ? MODE_TRADES : MODE_HISTORY;
      int total = pool == 0 ? OrdersTotal() : OrdersHistoryTotal();
      for(int i = 0; i < total; i++)
         if(RowAt(i, mode, row) && row.comment == mark)
            return(true);
     }
   return(false);
  }

// Of what a partial close left: the ticket that it was, or 0.
int ParentOf(const Row &row)
  {
   if(row.type != OP_BUY && row.type != OP_SELL)
      return(0);
   int named = NumberAfter(row.comment, "from #");
   if(named > 0)
      return(named);
   double whole = WholeLots(row);
   for(int i = 0; i < ArraySize(held); i++)
      if(!held[i].open && held[i].left > 0 && Same(held[i].left, whole) && held[i].row.symbol == row.symbol
         && held[i].row.type == row.type && Same(held[i].row.price, row.price) && held[i].row.magic == row.magic)
         return(held[i].row.ticket);
   return(0);
  }

// Whether price, levels and expiry are still those.
bool Stands(const Row &was, const Row &row)
  {
   return(Same(was.price, row.price) && Same(was.sl, row.sl) && Same(was.tp, row.tp) && was.expiry == row.expiry);
  }

bool TellChanged(const Row &rows[])
  {
   for(int i = 0; i < ArraySize(rows); i++)
     {
      Held one = held[HeldIndex(rows[i].ticket)];
      if(IsPending(one.row) && !IsPending(rows[i]))
        {
         if(!Tell("opened", RowBody(rows[i], one.id, one.ref)))
            return(false);
         continue;
        }
      if(!Stands(one.row, rows[i]) && !Tell("changed", RowBody(rows[i], one.id, one.ref)))
         return(false);
     }
   return(true);
  }

//+------------------------------------------------------------------+
//| Results                                                          |
//+------------------------------------------------------------------+
void ClearResult(const Fields &command, Result &result)
  {
   result.id = Get(command, "id");
   result.ref = Get(command, "ref");
   result.gen = GetWhole(command, "gen");
   result.seq = GetWhole(command, "seq");
   result.op = Get(command, "op");
   Settle(result, "unknown", "", "");
   result.gmt = Now();
   result.server_time = (long)TimeCurrent();
  }

void Settle(Result &result, string state, string why, string text)
  {
   result.state = state;
   result.why = why;
   result.text = text;
   result.code = 0;
   result.ticket = 0;
   result.lots = "0";
   result.price = "0";
   result.at = 0;
   result.rest = 0;
   result.found = false;
  }

string ResultBody(const Result &result, string kind)
  {
   return("{\"v\":1" + JText("kind", kind) + JText("id", result.id) + JText("ref", result.ref) + JWhole("gen", result.gen)
          + JWhole("seq", result.seq) + JText("op", result.op) + JText("state", result.state) + JText("why", result.why)
          + JWhole("code", result.code) + JText("text", result.text) + JWhole("ticket", result.ticket)
          + JText("lots", result.lots) + JText("price", result.price) + JWhole("at", result.at)
          + JWhole("rest", result.rest) + JTruth("found", result.found) + JWhole("gmt", result.gmt)
          + JWhole("server_time", result.server_time));
  }

// What the terminal tells of a ticket that a command made or ended.
void TellTicket(Result &result, int ticket)
  {
   Row row;
   Row rest;
   result.ticket = ticket;
   if(!RowOf(ticket, row))
      return;
   bool ended = (row.close_time > 0);
   result.lots = Number(row.lots);
   result.price = Number(ended ? row.close_price : row.price);
   result.at = (long)(ended ? row.close_time : row.open_time);
   if(ended && RestRow(ticket, false, rest))
      result.rest = rest.ticket;
  }

bool SettleFound(const Fields &command, Result &result)
  {
   Row row;
   if(!Search(command, row) || EndedOtherwise(command))
      return(false);
   Settle(result, "done", "", "");
   result.found = true;
   TellTicket(result, row.ticket);
   return(true);
  }

// Writes a result's file, then deletes the command's.
void Publish(const Result &result, string done_with)
  {
   if(PublishBody(result.id, ResultBody(result, "result"), done_with))
      return;
   int i = 0;
   int n = ArraySize(unpublished);
   while(i < n && unpublished[i].id != result.id)
      i++;
   if(i == n)
     {
      ArrayResize(unpublished, n + 1);
      ArrayResize(unpublished_work, n + 1);
     }
   unpublished[i] = result;
   unpublished_work[i] = done_with;
  }

bool PublishBody(string id, string body, string done_with)
  {
   if(!ReplaceFile("out", "res-" + id + ".json", body))
      return(false);
   if(done_with != "")
      FileDelete(PathOf(done_with));
   return(true);
  }

void Finish(const Result &result, string work)
  {
   if(ArraySize(owed) > 0 || !WriteRecord(ResultBody(result, "RESULT")))
     {
      int n = ArraySize(owed);
      ArrayResize(owed, n + 1);
      ArrayResize(owed_work, n + 1);
      owed[n] = result;
      owed_work[n] = work;
      return;
     }
   Publish(result, work);
  }

// Tries again what could not be written.
void Pay()
  {
   if(!journal_ok && ArraySize(owed) == 0)
      WriteRecord("{\"v\":1" + JText("kind", "NOTE"));
   while(ArraySize(owed) > 0)
     {
      if(!WriteRecord(ResultBody(owed[0], "RESULT")))
         return;
      Result result = owed[0];
      string work = owed_work[0];
      int    n = ArraySize(owed);
      for(int i = 1; i < n; i++)
        {
         owed[i - 1] = owed[i];
         owed_work[i - 1] = owed_work[i];
        }
      ArrayResize(owed, n - 1);
      ArrayResize(owed_work, n - 1);
      Publish(result, work);
     }
   int left = 0;
   for(int i = 0; i < ArraySize(unpublished); i++)
      if(!PublishBody(unpublished[i].id, ResultBody(unpublished[i], "result"), unpublished_work[i]))
        {
         unpublished[left] = unpublished[i];
         unpublished_work[left] = unpublished_work[i];
         left++;
        }
   ArrayResize(unpublished, left);
   ArrayResize(unpublished_work, left);
  }

// What the journal has under an id, as a result.
bool KnownResult(string id, Result &result)
  {
   int i = KnownIndex(id);
   if(i < 0 || (!known[i].answered && !known[i].is_sealed))
      return(false);
   if(known[i].answered)
     {
      result = known[i].result;
      return(true);
     }
   Fields none;
   ClearResult(none, result);
   result.id = id;
   Settle(result, "not_sent", "sealed", "");
   return(true);
  }

// Looks for what is in doubt when something happened, and now and then.
void SettleLateIfNew()
  {
   if(!in_doubt || Why() != "")
      return;
   string now = IntegerToString(event_n) + "," + IntegerToString(OrdersHistoryTotal()) + ","
                + IntegerToString(ArraySize(known)) + "," + IntegerToString(Now() / 5);
   if(now == sought)
      return;
   SettleLate();
   sought = now;
  }

// Commands that were unknown, and show now.
void SettleLate()
  {
   in_doubt = false;
   for(int i = 0; i < ArraySize(known); i++)
     {
      if(!known[i].answered || known[i].result.state != "unknown" || known[i].command == "")
         continue;
      in_doubt = true;
      Fields command;
      Result result;
      if(!Parse(known[i].command, command))
         continue;
      ClearResult(command, result);
      if(SettleFound(command, result) && Tell("result", JText("id", known[i].id) + JText("state", "done")))
         Finish(result, WorkName(command));
     }
  }

string WorkName(const Fields &command)
  {
   return("work\\" + CommandName(GetWhole(command, "gen"), GetWhole(command, "seq")));
  }

string CommandName(long gen, long seq) { return("cmd-" + Padded(gen, 12) + "-" + Padded(seq, 10) + ".json"); }

//+------------------------------------------------------------------+
//| Commands                                                         |
//+------------------------------------------------------------------+
bool IsTrading(string op)
  {
   return(op == "open" || op == "close" || op == "close_by" || op == "modify" || op == "delete");
  }

// The command in a file, if it is one that agrees with its name.
bool ReadCommand(string folder, string name, Fields &command)
  {
   if(!ReadObject(folder + "\\" + name, command))
      return(false);
   if(!IsKind(command, "v", 1) || GetWhole(command, "v") != 1 || Get(command, "kind") != "command")
      return(false);
   if(!IsKind(command, "gen", 1) || !IsKind(command, "seq", 1) || !IsKind(command, "sent_at", 1)
      || !IsKind(command, "expires_at", 1))
      return(false);
   if(!IsKind(command, "id", 0) || !IsKind(command, "ref", 0) || !IsKind(command, "op", 0) || !IsId(Get(command, "id")))
      return(false);
   return(name == CommandName(GetWhole(command, "gen"), GetWhole(command, "seq")));
  }

// An argument in an error's text.
string Shown(const Fields &command, string key)
  {
   int i = IndexOf(command, key);
   if(i < 0)
      return(key + " is missing");
   if(command.kinds[i] == 0)
      return(key + " is \"" + command.values[i] + "\"");
   if(command.kinds[i] == 2)
      return(key + " is " + (command.values[i] == "true" ? "1" : "0"));
   return(key + " is " + command.values[i]);
  }

// Each of these gives a default where the argument is not there and one is allowed; `wrong` says what is wrong.
long ArgWhole(const Fields &command, string key, bool needed, string &wrong)
  {
   if(!needed && !Has(command, key))
      return(0);
   if(!IsKind(command, key, 1) || GetWhole(command, key) < 0)
     {
      wrong = Shown(command, key) + ": a whole number is needed";
      return(0);
     }
   return(GetWhole(command, key));
  }

string ArgText(const Fields &command, string key, int most, string &wrong)
  {
   if(!IsKind(command, key, 0) || !IsPrintable(Get(command, key), most))
      wrong = Shown(command, key) + ": 1 to " + IntegerToString(most) + " printable ASCII characters are needed";
   return(Get(command, key));
  }

double ArgDecimal(const Fields &command, string key, bool needed, double otherwise, string &wrong)
  {
   if(!needed && !Has(command, key))
      return(otherwise);
   if(!IsKind(command, key, 0) || !IsDecimal(Get(command, key)))
     {
      wrong = Shown(command, key) + ": a decimal such as 1.2345 is needed";
      return(0);
     }
   return(GetNumber(command, key));
  }

datetime ArgUntil(const Fields &command, string &wrong)
  {
   long expiry = ArgWhole(command, "expiry", false, wrong);
   if(expiry > 0 && offset_s == NO_OFFSET)
      wrong = Shown(command, "expiry") + ": the server's clock is not known before the next price";
   return(expiry > 0 ? (datetime)(expiry + Offset()) : 0);
  }

bool IsStep(double lots, double step) { return(step > 0 && MathAbs(lots / step - MathRound(lots / step)) < 0.000001); }

bool SymbolKnown(string symbol)
  {
   ResetLastError();
   double point = MarketInfo(symbol, MODE_POINT);
   return(point > 0 && GetLastError() != 4106);
  }

bool OpenRow(const Fields &command, string key, Row &row, string &wrong)
  {
   long ticket = ArgWhole(command, key, true, wrong);
   if(wrong != "")
      return(false);
   if(!RowOf((int)ticket, row) || row.close_time != 0)
      wrong = Shown(command, key) + ": an open ticket is needed";
   return(wrong == "");
  }

// Terms as a `modify` wants them, in a copy of the row.
bool WantedTerms(const Fields &command, Row &row, string &wrong)
  {
   if(!IsPending(row) && (Has(command, "price") || GetWhole(command, "expiry") != 0))
      wrong = "price and expiry are of pending orders alone";
   if(Has(command, "expiry"))
      row.expiry = ArgUntil(command, wrong);
   row.price = ArgDecimal(command, "price", false, row.price, wrong);
   row.sl = ArgDecimal(command, "sl", false, row.sl, wrong);
   row.tp = ArgDecimal(command, "tp", false, row.tp, wrong);
   return(wrong == "");
  }

string CheckOpen(const Fields &command)
  {
   string wrong = "";
   string symbol = ArgText(command, "symbol", 64, wrong);
   if(wrong != "")
      return(wrong);
   if(!SymbolKnown(symbol))
      return("symbol is \"" + symbol + "\": the terminal does not have it");
   int type = TypeOf(Get(command, "type"));
   if(type < 0)
      return(Shown(command, "type") + ": one of buy, sell, buylimit, selllimit, buystop, sellstop is needed");
   double lots = ArgDecimal(command, "lots", true, 0, wrong);
   if(wrong != "")
      return(wrong);
   double step = MarketInfo(symbol, MODE_LOTSTEP);
   double least = MarketInfo(symbol, MODE_MINLOT);
   double most = MarketInfo(symbol, MODE_MAXLOT);
   if(!IsStep(lots, step) || lots < least - 0.000001 || lots > most + 0.000001)
      return(Shown(command, "lots") + ": a multiple of " + Number(step) + " from " + Number(least) + " to " + Number(most));
   bool market = (type == OP_BUY || type == OP_SELL);
   if(market && (Has(command, "price") || GetWhole(command, "expiry") != 0))
      return("price and expiry are of pending orders alone");
   ArgDecimal(command, "price", !market, 0, wrong);
   RefreshRates();
   if(Has(command, "worst"))
      RoomOf(command, symbol, type, wrong);
   ArgDecimal(command, "sl", false, 0, wrong);
   ArgDecimal(command, "tp", false, 0, wrong);
   ArgWhole(command, "slippage", false, wrong);
   ArgUntil(command, wrong);
   long magic = ArgWhole(command, "magic", true, wrong);
   if(wrong == "" && (magic < 1 || magic > 2147483647))
      return(Shown(command, "magic") + ": 1 to 2147483647 is needed");
   ArgText(command, "comment", 31, wrong);
   return(wrong);
  }

string CheckClose(const Fields &command)
  {
   string wrong = "";
   Row    row;
   if(!OpenRow(command, "ticket", row, wrong))
      return(wrong);
   if(IsPending(row))
      return("ticket is " + IntegerToString(row.ticket) + ": a pending order is deleted, not closed");
   double lots = ArgDecimal(command, "lots", false, row.lots, wrong);
   ArgWhole(command, "slippage", false, wrong);
   if(wrong != "")
      return(wrong);
   double step = MarketInfo(row.symbol, MODE_LOTSTEP);
   if(lots > row.lots + 0.000001 || !IsStep(lots, step) || lots < MarketInfo(row.symbol, MODE_MINLOT) - 0.000001)
      return(Shown(command, "lots") + ": a multiple of " + Number(step) + " up to " + Number(row.lots) + " is needed");
   return("");
  }

string CheckCloseBy(const Fields &command)
  {
   string wrong = "";
   Row    row;
   Row    other;
   if(!OpenRow(command, "ticket", row, wrong) || !OpenRow(command, "by", other, wrong))
      return(wrong);
   if(IsPending(row) || IsPending(other) || row.symbol != other.symbol || row.type == other.type)
      return("by is " + IntegerToString(other.ticket) + ": a position against that of ticket "
             + IntegerToString(row.ticket) + " is needed");
   return("");
  }

string CheckModify(const Fields &command)
  {
   string wrong = "";
   Row    row;
   if(OpenRow(command, "ticket", row, wrong))
      WantedTerms(command, row, wrong);
   return(wrong);
  }

string CheckDelete(const Fields &command)
  {
   string wrong = "";
   Row    row;
   if(OpenRow(command, "ticket", row, wrong) && !IsPending(row))
      wrong = "ticket is " + IntegerToString(row.ticket) + ": a position is closed, not deleted";
   return(wrong);
  }

string Check(const Fields &command)
  {
   string op = Get(command, "op");
   if(op == "open")
      return(CheckOpen(command));
   if(op == "close")
      return(CheckClose(command));
   if(op == "close_by")
      return(CheckCloseBy(command));
   if(op == "modify")
      return(CheckModify(command));
   return(CheckDelete(command));
  }

// How many points the price may be worse than the market's; wrong where that is worse already.
int RoomOf(const Fields &command, string symbol, int type, string &wrong)
  {
   double worst = ArgDecimal(command, "worst", true, 0, wrong);
   if(type != OP_BUY && type != OP_SELL)
      wrong = "worst is of market orders alone";
   if(wrong != "")
      return(0);
   double at = MarketInfo(symbol, type == OP_BUY ? MODE_ASK : MODE_BID);
   double room = (type == OP_BUY ? worst - at : at - worst) / MarketInfo(symbol, MODE_POINT);
   if(room < -0.000001)
      wrong = Shown(command, "worst") + ": the market is at " + Number(at);
   return((int)MathFloor(room + 0.000001));
  }

// The one call; its error, and the ticket.
int CallOpen(const Fields &command, int &ticket)
  {
   string symbol = Get(command, "symbol");
   int    type = TypeOf(Get(command, "type"));
   int    digits = (int)MarketInfo(symbol, MODE_DIGITS);
   string wrong = "";
   RefreshRates();
   int    slippage = (int)GetWhole(command, "slippage");
   if(Has(command, "worst"))
      slippage = RoomOf(command, symbol, type, wrong);
   if(wrong != "")
      return(NOT_CALLED);
   double sl = NormalizeDouble(GetNumber(command, "sl"), digits);
   double tp = NormalizeDouble(GetNumber(command, "tp"), digits);
   datetime until = ArgUntil(command, wrong);
   double price = GetNumber(command, "price");
   if(type == OP_BUY)
      price = MarketInfo(symbol, MODE_ASK);
   if(type == OP_SELL)
      price = MarketInfo(symbol, MODE_BID);
   ResetLastError();
   ticket = OrderSend(symbol, type, GetNumber(command, "lots"), NormalizeDouble(price, digits),
                      slippage, sl, tp, Get(command, "comment"),
                      (int)GetWhole(command, "magic"), until, clrNONE);
   if(ticket > 0)
      return(0);
   int error = GetLastError();
   return(error == 0 ? 2 : error);
  }

int CallClose(const Fields &command)
  {
   Row row;
   if(!RowOf((int)GetWhole(command, "ticket"), row))
      return(4108);
   double lots = Has(command, "lots") ? GetNumber(command, "lots") : row.lots;
   RefreshRates();
   double price = MarketInfo(row.symbol, row.type == OP_BUY ? MODE_BID : MODE_ASK);
   int    digits = (int)MarketInfo(row.symbol, MODE_DIGITS);
   ResetLastError();
   if(OrderClose(row.ticket, lots, NormalizeDouble(price, digits), (int)GetWhole(command, "slippage"), clrNONE))
      return(0);
   int error = GetLastError();
   return(error == 0 ? 2 : error);
  }

int CallModify(const Fields &command)
  {
   Row    row;
   string wrong = "";
   if(!RowOf((int)GetWhole(command, "ticket"), row))
      return(4108);
   WantedTerms(command, row, wrong);
   int digits = (int)MarketInfo(row.symbol, MODE_DIGITS);
   ResetLastError();
   if(OrderModify(row.ticket, NormalizeDouble(row.price, digits), NormalizeDouble(row.sl, digits),
                  NormalizeDouble(row.tp, digits), row.expiry, clrNONE))
      return(0);
   int error = GetLastError();
   return(error == 0 ? 2 : error);
  }

int CallOther(const Fields &command)
  {
   int ticket = (int)GetWhole(command, "ticket");
   ResetLastError();
   bool done = Get(command, "op") == "close_by" ? OrderCloseBy(ticket, (int)GetWhole(command, "by"), clrNONE)
               : OrderDelete(ticket, clrNONE);
   if(done)
      return(0);
   int error = GetLastError();
   return(error == 0 ? 2 : error);
  }

void CarryOut(const Fields &command, Result &result)
  {
   string op = Get(command, "op");
   int    ticket = (int)GetWhole(command, "ticket");
   int    code = 0;
   if(op == "open")
      code = CallOpen(command, ticket);
   if(op == "close")
      code = CallClose(command);
   if(op == "modify")
      code = CallModify(command);
   if(op == "close_by" || op == "delete")
      code = CallOther(command);
   if(code == NOT_CALLED)
     {
      Settle(result, "not_sent", "invalid", "worst: the market's price went beyond it");
      return;
     }
   string state = StateOf(code, op);
   Settle(result, state, state == "not_sent" ? "local" : "", code == 0 ? "" : "error " + IntegerToString(code));
   result.code = code;
   if(state == "done")
      TellTicket(result, ticket);
  }

// What each error code says of a call that trades.
string StateOf(int code, string op)
  {
   switch(code)
     {
      case 0:
         return("done");
      case 1:
         return(op == "modify" ? "done" : "unknown");
      case 3:
      case 5:
      case 7:
      case 8:
      case 64:
      case 65:
      case 129:
      case 130:
      case 131:
      case 132:
      case 133:
      case 134:
      case 135:
      case 136:
      case 138:
      case 139:
      case 140:
      case 141:
      case 145:
      case 147:
      case 148:
      case 149:
      case 150:
         return("rejected");
      case 146:
      case 4051:
      case 4062:
      case 4063:
      case 4105:
      case 4106:
      case 4107:
      case 4108:
      case 4109:
      case 4110:
      case 4111:
      case 4112:
         return("not_sent");
     }
   return("unknown");
  }

// What stands against any command at all; true where something does.
bool Refuse(const Fields &command, Result &result)
  {
   string op = Get(command, "op");
   long   sent = GetWhole(command, "sent_at");
   long   expires = GetWhole(command, "expires_at");
   long   now = Now();
   if(GetWhole(command, "gen") != generation)
     {
      Settle(result, "not_sent", "fenced",
             "generation is " + Get(command, "gen") + ": " + IntegerToString(generation) + " is granted");
      return(true);
     }
   if(!IsTrading(op) && op != "seal" && op != "time" && op != "history")
     {
      Settle(result, "not_sent", "invalid", Shown(command, "op")
             + ": one of open, close, close_by, modify, delete, seal, time, history is needed");
      return(true);
     }
   if(expires - sent > MOST_SECONDS)
     {
      Settle(result, "not_sent", "invalid", "expires_at is " + IntegerToString(expires) + ": at most "
             + IntegerToString(sent + MOST_SECONDS) + " is right");
      return(true);
     }
   if(now < expires && sent <= now + AHEAD_SECONDS)
      return(false);
   if(op == "open" && SettleFound(command, result))
      return(true);
   Settle(result, "not_sent", "expired", "expires_at is " + IntegerToString(expires) + ", sent_at "
          + IntegerToString(sent) + ": the clock here is " + IntegerToString(now));
   return(true);
  }

bool MayTrade()
  {
   return(TerminalInfoInteger(TERMINAL_TRADE_ALLOWED) != 0 && MQLInfoInteger(MQL_TRADE_ALLOWED) != 0
          && AccountInfoInteger(ACCOUNT_TRADE_EXPERT) != 0);
  }

// A command that trades, claimed: its result.
void Act(const Fields &command, Result &result)
  {
   ClearResult(command, result);
   if(GetWhole(command, "sent_at") <= started && SettleFound(command, result))
      return;
   if(Refuse(command, result))
      return;
   string wrong = Check(command);
   if(wrong != "")
     {
      Settle(result, "not_sent", "invalid", wrong);
      return;
     }
   if(!MayTrade())
     {
      Settle(result, "not_sent", "disabled", "the terminal lets no program trade");
      return;
     }
   if(!WriteRecord(Restated(command, "RECEIVED")))
     {
      Settle(result, "not_sent", "disk", "the journal cannot be written");
      return;
     }
   ShowAccount(Get(command, "id"), true);
   CarryOut(command, result);
  }

void Handle(const Fields &command, string name)
  {
   Result result;
   string id = Get(command, "id");
   if(!IsTrading(Get(command, "op")))
     {
      Inform(command, "in\\" + name);
      return;
     }
   if(KnownResult(id, result))
     {
      Publish(result, "in\\" + name);
      return;
     }
   if(!MoveFile("in\\" + name, "work\\" + name))
      return;
   Act(command, result);
   Finish(result, "work\\" + name);
  }

// Operations that change nothing at the broker.
void Inform(const Fields &command, string done_with)
  {
   Result result;
   string op = Get(command, "op");
   string more = "";
   ClearResult(command, result);
   if(op == "time" || !Refuse(command, result))
     {
      string wrong = "";
      if(op == "time")
        {
         Settle(result, "done", "", "");
         more = JWhole("offset_s", Offset()) + JTruth("offset_known", offset_s != NO_OFFSET);
        }
      if(op == "seal")
         more = Seal(command, result, wrong);
      if(op == "history")
         more = TellHistory(command, result, wrong);
      if(wrong != "")
        {
         Settle(result, "not_sent", "invalid", wrong);
         more = "";
        }
     }
   PublishBody(result.id, ResultBody(result, "result") + more, done_with);
  }

// What became of the target: its result, under the seal's own id.
string Seal(const Fields &command, Result &result, string &wrong)
  {
   string target = ArgText(command, "target", 26, wrong);
   long   sent = ArgWhole(command, "target_sent_at", false, wrong);
   if(wrong != "")
      return("");
   Result about;
   bool   is_known = KnownResult(target, about);
   int    i = KnownIndex(target);
   if(is_known && about.state == "unknown" && known[i].command != "")
     {
      SettleLate();
      KnownResult(target, about);
     }
   if(!is_known || about.why == "sealed")
      SealUnknown(command, target, sent, about);
   if(about.why != "disk")
      Publish(about, "");
   string id = result.id;
   string ref = result.ref;
   long   gen = result.gen;
   long   seq = result.seq;
   string op = result.op;
   result = about;
   result.id = id;
   result.ref = ref;
   result.gen = gen;
   result.seq = seq;
   result.op = op;
   result.gmt = Now();
   result.server_time = (long)TimeCurrent();
   return(JText("target", target));
  }

void SealUnknown(const Fields &command, string target, long sent, Result &about)
  {
   Fields none;
   ClearResult(none, about);
   about.id = target;
   int i = KnownIndex(target);
   if((i < 0 || !known[i].is_sealed) && !WriteRecord("{\"v\":1" + JText("kind", "SEALED") + JText("id", target)))
     {
      Settle(about, "unknown", "disk", "the journal cannot be written");
      return;
     }
   if(Has(command, "magic"))
     {
      Fields wanted;
      AddField(wanted, "op", "open", 0);
      AddField(wanted, "magic", Get(command, "magic"), 1);
      AddField(wanted, "comment", Get(command, "comment"), 0);
      AddField(wanted, "sent_at", IntegerToString(sent), 1);
      if(SettleFound(wanted, about))
         return;
     }
   if(sent > 0 && sent < journal_since)
      Settle(about, "unknown", "forgotten", "");
   else
      Settle(about, "not_sent", "sealed", "");
  }

string TellHistory(const Fields &command, Result &result, string &wrong)
  {
   long since = ArgWhole(command, "since", true, wrong);
   long after = ArgWhole(command, "after", false, wrong);
   if(wrong != "")
      return("");
   Row rows[];
   Row row;
   int total = OrdersHistoryTotal();
   for(int i = 0; i < total; i++)
      if(RowAt(i, MODE_HISTORY, row)
         && ((long)row.close_time > since || ((long)row.close_time == since && row.ticket > after)))
         AddByClosing(rows, row);
   int    count = ArraySize(rows);
   string body = "";
   for(int i = 0; i < count && i < PAGE_ROWS; i++)
     {
      int    at = HeldIndex(rows[i].ticket);
      string by = Closer(rows[i]);
      string id = at >= 0 ? held[at].id : Opener(rows[i]);
      string ref = at >= 0 ? held[at].ref : RefOf(id);
      string one = RowBody(rows[i], id, ref) + JNumber("close_price", rows[i].close_price)
                   + JWhole("close_time", (long)rows[i].close_time) + JText("reason", ReasonOf(rows[i], by))
                   + JText("by", by) + JText("by_ref", RefOf(by));
      body = body + (i == 0 ? "{" : ",{") + StringSubstr(one, 1) + "}";
     }
   Settle(result, "done", "", "");
   return(JTruth("complete", true) + JTruth("more", count > PAGE_ROWS) + ",\"rows\":[" + body + "]");
  }

bool ClosedLater(const Row &a, const Row &b)
  {
   return(a.close_time > b.close_time || (a.close_time == b.close_time && a.ticket > b.ticket));
  }

// Keeps the first of them, and one more that says that there are more.
void AddByClosing(Row &rows[], const Row &row)
  {
   int n = ArraySize(rows);
   if(n > PAGE_ROWS && ClosedLater(row, rows[n - 1]))
      return;
   if(n > PAGE_ROWS)
      n--;
   ArrayResize(rows, n + 1, 256);
   while(n > 0 && ClosedLater(rows[n - 1], row))
     {
      rows[n] = rows[n - 1];
      n--;
     }
   rows[n] = row;
  }

void TakeCommands()
  {
   string names[];
   int    count = NamesIn("in", "cmd-", names);
   ForgetWaiting(names);
   for(int i = 0; i < count; i++)
     {
      Fields command;
      if(!IsCommandName(names[i]))
         continue;
      if(!ReadCommand("in", names[i], command))
         SetAside(names[i]);
      else
         if(Get(command, "op") == "time" || (Why() == "" && !IsTradeContextBusy()))
            Handle(command, names[i]);
     }
  }

bool IsCommandName(string name)
  {
   return(StringLen(name) == 32 && IsAlphabet(StringSubstr(name, 4, 12), 12, 12, "0123456789")
          && StringSubstr(name, 16, 1) == "-" && IsAlphabet(StringSubstr(name, 17, 10), 10, 10, "0123456789")
          && StringSubstr(name, 27) == ".json");
  }

// A file that is not whole is read again for a while, and then put where nothing is executed.
void SetAside(string name)
  {
   int i = 0;
   int n = ArraySize(waiting_names);
   while(i < n && waiting_names[i] != name)
      i++;
   if(i == n)
     {
      ArrayResize(waiting_names, n + 1);
      ArrayResize(waiting_since, n + 1);
      waiting_names[n] = name;
      waiting_since[n] = Now();
     }
   if(Now() - waiting_since[i] >= UNREADABLE_AFTER)
      MoveFile("in\\" + name, "bad\\" + name);
  }

void ForgetWaiting(const string &names[])
  {
   int left = 0;
   for(int i = 0; i < ArraySize(waiting_names); i++)
     {
      bool there = false;
      for(int k = 0; k < ArraySize(names) && !there; k++)
         there = (names[k] == waiting_names[i]);
      if(!there)
         continue;
      waiting_names[left] = waiting_names[i];
      waiting_since[left] = waiting_since[i];
      left++;
     }
   ArrayResize(waiting_names, left);
   ArrayResize(waiting_since, left);
  }

//+------------------------------------------------------------------+
//| Snapshots                                                        |
//+------------------------------------------------------------------+
// Writes one if what matters in it changed, or it is time; one that cannot be written is tried again.
void Show(int which, string kind, string matters, string body, int every, bool at_once)
  {
   long now = Now();
   if(!at_once && shown_ever[which] && shown_text[which] == matters && now - shown_at[which] < every)
      return;
   string whole = "{\"v\":1" + JText("kind", kind) + JWhole("run", run_number) + JWhole("n", shown_n[which] + 1)
                  + JWhole("gmt", now) + JWhole("gen", generation) + body;
   if(!ReplaceFile("state", kind + ".json", whole))
      return;
   shown_n[which]++;
   shown_at[which] = now;
   shown_text[which] = matters;
   shown_ever[which] = true;
  }

void ShowAccount(string calling, bool at_once)
  {
   string why = Why();
   string matters = JText("session", session) + JText("journal", journal_name) + JWhole("journal_since", journal_since)
                    + JText("stream", stream) + JTruth("ready", why == "") + JText("why", why)
                    + JTruth("connected", IsConnected()) + JTruth("trade_allowed", MayTrade()) + JText("calling", calling)
                    + JWhole("offset_s", Offset()) + JTruth("offset_known", offset_s != NO_OFFSET)
                    + JWhole("event", event_n) + JWhole("missing", missing);
   string body = matters + JWhole("server_time", (long)TimeCurrent()) + JWhole("account", AccountNumber())
                 + JText("server", AccountServer()) + JText("company", AccountCompany())
                 + JText("currency", AccountCurrency()) + JWhole("leverage", AccountLeverage())
                 + JTruth("demo", AccountInfoInteger(ACCOUNT_TRADE_MODE) == ACCOUNT_TRADE_MODE_DEMO)
                 + JNumber("balance", AccountBalance()) + JNumber("equity", AccountEquity())
                 + JNumber("margin", AccountMargin()) + JNumber("free", AccountFreeMargin())
                 + JNumber("profit", AccountProfit()) + JNumber("credit", AccountCredit())
                 + JWhole("build", TerminalInfoInteger(TERMINAL_BUILD)) + JText("version", VERSION);
   Show(0, "account", matters + JWhole("gen", generation), body, 1, at_once);
  }

void ShowOrders()
  {
   Row  rows[];
   Row  sorted[];
   bool complete = (Pool(rows) && Why() == "" && missing == 0);
   int  open = 0;
   for(int i = 0; i < ArraySize(held); i++)
      if(held[i].open)
         open++;
   complete = (complete && open == ArraySize(rows));
   for(int i = 0; i < ArraySize(rows) && complete; i++)
     {
      int at = HeldIndex(rows[i].ticket);
      complete = (at >= 0 && held[at].open && held[at].row.type == rows[i].type
                  && Same(held[at].row.lots, rows[i].lots) && Stands(held[at].row, rows[i]));
      if(complete)
         AddSorted(sorted, rows[i]);
     }
   if(!complete)
      ArrayResize(sorted, 0);
   string body = "";
   string matters = JTruth("complete", complete) + JWhole("event", event_n);
   for(int i = 0; i < ArraySize(sorted); i++)
     {
      int    at = HeldIndex(sorted[i].ticket);
      string id = held[at].id;
      string ref = held[at].ref;
      body = body + (i == 0 ? "{" : ",{") + StringSubstr(RowBody(sorted[i], id, ref), 1) + "}";
      Row quiet = sorted[i];
      quiet.profit = 0;
      quiet.swap = 0;
      matters = matters + RowBody(quiet, id, ref);
     }
   Show(1, "orders", matters, JWhole("event", event_n) + JTruth("complete", complete)
        + JWhole("count", ArraySize(sorted)) + ",\"rows\":[" + body + "]", 2, false);
  }

int ListSymbols(string &symbols[])
  {
   if(SymbolList != "")
      return(StringSplit(SymbolList, ',', symbols));
   int total = SymbolsTotal(true);
   ArrayResize(symbols, total);
   for(int i = 0; i < total; i++)
      symbols[i] = SymbolName(i, true);
   return(total);
  }

void ShowSymbols()
  {
   string symbols[];
   int    count = ListSymbols(symbols);
   string known_rows = "";
   string ticks = "";
   string steps = "";
   for(int i = 0; i < count; i++)
     {
      string symbol = symbols[i];
      bool   allowed = (MarketInfo(symbol, MODE_TRADEALLOWED) > 0);
      string terms = SymbolTerms(symbol, allowed);
      steps = steps + terms;
      known_rows = known_rows + (i == 0 ? "{" : ",{") + StringSubstr(terms + SymbolMoney(symbol), 1) + "}";
      double bid = MarketInfo(symbol, MODE_BID);
      if(bid <= 0)
         continue;
      string tick = JText("symbol", symbol) + JNumber("bid", bid) + JNumber("ask", MarketInfo(symbol, MODE_ASK))
                    + JWhole("time", (long)MarketInfo(symbol, MODE_TIME));
      ticks = ticks + (ticks == "" ? "{" : ",{") + StringSubstr(tick, 1) + "}";
     }
   Show(2, "symbols", steps, ",\"rows\":[" + known_rows + "]", 60, false);
   Show(3, "ticks", ticks, ",\"rows\":[" + ticks + "]", 60, false);
  }

string ExecutionOf(string symbol)
  {
   string names[4] = {"request", "instant", "market", "exchange"};
   long   mode = SymbolInfoInteger(symbol, SYMBOL_TRADE_EXEMODE);
   return(mode >= 0 && mode < 4 ? names[(int)mode] : "");
  }

string SymbolTerms(string symbol, bool allowed)
  {
   return(JText("symbol", symbol) + JWhole("digits", (long)MarketInfo(symbol, MODE_DIGITS))
          + JNumber("point", MarketInfo(symbol, MODE_POINT)) + JNumber("lot_size", MarketInfo(symbol, MODE_LOTSIZE))
          + JNumber("lot_min", MarketInfo(symbol, MODE_MINLOT)) + JNumber("lot_max", MarketInfo(symbol, MODE_MAXLOT))
          + JNumber("lot_step", MarketInfo(symbol, MODE_LOTSTEP))
          + JWhole("stop_level", (long)MarketInfo(symbol, MODE_STOPLEVEL))
          + JWhole("freeze_level", (long)MarketInfo(symbol, MODE_FREEZELEVEL))
          + JText("execution", ExecutionOf(symbol)) + JNumber("tick_size", MarketInfo(symbol, MODE_TICKSIZE))
          + JTruth("trade_allowed", allowed)
          + JText("currency_base", SymbolInfoString(symbol, SYMBOL_CURRENCY_BASE))
          + JText("currency_profit", SymbolInfoString(symbol, SYMBOL_CURRENCY_PROFIT))
          + JText("currency_margin", SymbolInfoString(symbol, SYMBOL_CURRENCY_MARGIN)));
  }

// What follows the prices.
string SymbolMoney(string symbol)
  {
   return(JNumber("tick_value", MarketInfo(symbol, MODE_TICKVALUE))
          + JNumber("margin", MarketInfo(symbol, MODE_MARGINREQUIRED)));
  }

//+------------------------------------------------------------------+
//| The cycle                                                        |
//+------------------------------------------------------------------+
// Why nothing can be looked at; empty where it can.
string Blocked()
  {
   if((OnlyAccount != 0 && OnlyAccount != AccountNumber()) || (bound_to > 0 && bound_to != AccountNumber()))
      return("account");
   if(connected_at < 0 || Now() - connected_at < SettleSeconds)
      return("connection");
   if(!journal_ok || ArraySize(owed) > 0)
      return("journal");
   return("");
  }

// Why it is not ready; empty where it is.
string Why()
  {
   string blocked = Blocked();
   if(blocked != "")
      return(blocked);
   return(told ? "" : "events");
  }

bool Start()
  {
   if(lock_file == INVALID_HANDLE)
     {
      string folders[7] = {"in", "work", "bad", "out", "state", "events", "journal"};
      for(int i = 0; i < 7; i++)
         FolderCreate(PathOf(folders[i]));
      lock_file = FileOpen(PathOf("journal\\lock"), FILE_WRITE | FILE_BIN);
      if(lock_file == INVALID_HANDLE)
        {
         if(!kept_out)
            Print("another expert advisor has the folder ", Folder);
         kept_out = true;
         return(false);
        }
     }
   if(!journal_open)
     {
      started = Now();
      journal_open = (OpenJournal() && OpenEvents());
     }
   return(journal_open);
  }

void Own()
  {
   Fields owner;
   if(!ReadObject("owner.json", owner) || GetWhole(owner, "v") != 1 || Get(owner, "kind") != "owner")
      return;
   long   gen = GetWhole(owner, "gen");
   string name = Get(owner, "session");
   if(!IsKind(owner, "gen", 1) || !IsKind(owner, "session", 0)
      || !IsAlphabet(name, 1, 32, "abcdefghijklmnopqrstuvwxyz0123456789"))
      return;
   if(gen > generation && gen < 1000000000000)
      WriteRecord("{\"v\":1" + JText("kind", "GRANT") + JWhole("gen", gen) + JText("session", name));
  }

void SeeConnection()
  {
   datetime server = TimeCurrent();
   if(!IsConnected())
      connected_at = -1;
   else
      if(connected_at < 0)
         connected_at = Now();
   // What comes with a connection may be a price of days ago; what comes later is of now.
   bool settled = (connected_at >= 0 && Now() - connected_at >= SettleSeconds);
   if(settled && quoted_at > 0 && server > quoted_at)
      offset_s = (int)(MathFloor((double)((long)server - Now() + 450) / 900.0) * 900);
   quoted_at = settled ? server : 0;
  }

void LookIfPossible()
  {
   if(Blocked() != "" || !Bind())
      return;
   Recover();
   told = Look();
  }

// A folder is one account's for good: the first that it is used with.
bool Bind()
  {
   if(bound_to > 0)
      return(true);
   bound_to = AccountNumber();
   if(WriteRecord(HeadBody()))
      return(true);
   bound_to = 0;
   return(false);
  }

// Commands that an earlier run claimed: what became of them, never once more.
void Recover()
  {
   if(recovered)
      return;
   string names[];
   int    count = NamesIn("work", "cmd-", names);
   for(int i = 0; i < count; i++)
     {
      Fields command;
      if(ReadCommand("work", names[i], command) && IsTrading(Get(command, "op")))
         RecoverOne(command);
     }
   for(int i = 0; i < ArraySize(known); i++)
     {
      Fields command;
      if(known[i].command != "" && !known[i].answered && Parse(known[i].command, command))
         RecoverOne(command);
     }
   recovered = true;
  }

void RecoverOne(const Fields &command)
  {
   Result result;
   string id = Get(command, "id");
   if(KnownResult(id, result))
     {
      Publish(result, WorkName(command));
      return;
     }
   if(KnownIndex(id) < 0)
      WriteRecord(Restated(command, "RECEIVED"));
   ClearResult(command, result);
   if(!SettleFound(command, result))
      Settle(result, "unknown", "", "");
   Finish(result, WorkName(command));
  }

void KeepHouse()
  {
   string day = DayOf(Now());
   if(day == last_day)
      return;
   last_day = day;
   DropOldJournals();
   string names[];
   int    last = NamesIn("events", "events-", names) - 1;
   while(last >= 0 && !HasBegun("events\\" + names[last]))
      last--;
   for(int i = 0; i < last; i++) // what is open stands in the last one
      if(StringCompare(StringSubstr(names[i], 7, 8), DayOf(Now() - (long)KEPT_DAYS * DAY_SECONDS)) < 0)
         FileDelete(PathOf("events\\" + names[i]));
   DropOldResults();
  }

// Results that nobody took.
void DropOldResults()
  {
   string names[];
   int    count = NamesIn("out", "", names);
   for(int i = 0; i < count; i++)
     {
      Fields one;
      ReadObject("out\\" + names[i], one);
      if(GetWhole(one, "gmt") < Now() - 2 * DAY_SECONDS)
         FileDelete(PathOf("out\\" + names[i]));
     }
  }

void Cycle()
  {
   if(!Start())
      return;
   Own();
   SeeConnection();
   Pay();
   LookIfPossible();
   TakeCommands();
   LookIfPossible();
   SettleLateIfNew();
   KeepHouse();
   ShowAccount("", false);
   ShowOrders();
   ShowSymbols();
  }

// A chart that changes its symbol or period, or gets other inputs, keeps what is here; the lock was given back, and
// another may have had the folder meanwhile: what counts is read again.
void Forget()
  {
   kept_out = false;
   journal_open = false;
   recovered = false;
   told = false;
   ArrayResize(known, 0);
   journal_name = "";
   journal_since = 0;
   journal_headed = false;
   journal_ok = true;
   journal_torn = false;
   journal_file = "";
   run_number = 0;
   generation = 0;
   bound_to = 0;
   session = "";
   started = 0;
   in_doubt = false;
   sought = "";
   ArrayResize(owed, 0);
   ArrayResize(owed_work, 0);
   ArrayResize(unpublished, 0);
   ArrayResize(unpublished_work, 0);
   stream = "";
   event_n = 0;
   events_begun = false;
   events_torn = false;
   events_file = "";
   floor_time = 0;
   looked_at = 0;
   history_seen = -1;
   missing = 0;
   ArrayResize(held, 0);
   clock_now = 0;
   clock_ticks = 0;
   connected_at = -1;
   offset_s = NO_OFFSET;
   quoted_at = 0;
   last_day = "";
   ArrayResize(waiting_names, 0);
   ArrayResize(waiting_since, 0);
   for(int i = 0; i < 4; i++)
     {
      shown_text[i] = "";
      shown_at[i] = 0;
      shown_n[i] = 0;
      shown_ever[i] = false;
     }
  }

int OnInit()
  {
   Forget();
   MakeCrcTable();
   MathSrand((int)(GetTickCount() ^ (uint)TimeLocal() ^ (uint)AccountNumber()));
   EventSetMillisecondTimer(TimerMillis);
   return(INIT_SUCCEEDED);
  }

void OnDeinit(const int reason)
  {
   EventKillTimer();
   if(lock_file != INVALID_HANDLE)
      FileClose(lock_file);
   lock_file = INVALID_HANDLE;
  }

void OnTimer() { Cycle(); }

void OnTick()  { Cycle(); }
//+------------------------------------------------------------------+
