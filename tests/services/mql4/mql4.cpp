// The functions of mql4.h: text and numbers here, all else asked of whoever started the process.
#include "mql4.h"
#include <algorithm>
#include <cstring>
#include <ctime>
#include <map>

//--- Questions and answers

static std::string utf8(const string &text)
  {
   std::string out;
   for(char16_t c : text.s)
     {
      if(c < 0x80)
         out.push_back((char)c);
      else if(c < 0x800)
        {
         out.push_back((char)(0xC0 | (c >> 6)));
         out.push_back((char)(0x80 | (c & 63)));
        }
      else
        {
         out.push_back((char)(0xE0 | (c >> 12)));
         out.push_back((char)(0x80 | ((c >> 6) & 63)));
         out.push_back((char)(0x80 | (c & 63)));
        }
     }
   return out;
  }

static string wide(const std::string &bytes)
  {
   std::u16string out;
   for(size_t i = 0; i < bytes.size(); i++)
     {
      uchar c = bytes[i];
      if(c < 0x80)
         out.push_back(c);
      else if(c < 0xE0 && i + 1 < bytes.size())
         out.push_back(((c & 31) << 6) | (bytes[++i] & 63));
      else if(i + 2 < bytes.size())
        {
         char16_t high = ((c & 15) << 12) | ((bytes[i + 1] & 63) << 6);
         out.push_back(high | (bytes[i + 2] & 63));
         i += 2;
        }
     }
   return string(out);
  }

static std::string packed(const std::string &text)
  {
   static const char digits[] = "0123456789abcdef";
   std::string out;
   for(uchar c : text)
      if(c < 0x20 || c == '%' || c == 0x7F)
        {
         out.push_back('%');
         out.push_back(digits[c >> 4]);
         out.push_back(digits[c & 15]);
        }
      else
         out.push_back((char)c);
   return out;
  }

static int hex(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static std::string unpacked(const std::string &text)
  {
   std::string out;
   for(size_t i = 0; i < text.size(); i++)
      if(text[i] == '%' && i + 2 < text.size())
        {
         out.push_back((char)(hex(text[i + 1]) * 16 + hex(text[i + 2])));
         i += 2;
        }
      else
         out.push_back(text[i]);
   return out;
  }

static bool read_line(std::string &line)
  {
   line.clear();
   int c;
   while((c = getchar_unlocked()) != EOF && c != '\n')
      line.push_back((char)c);
   return c != EOF;
  }

typedef std::vector<std::string> Strings;

static Strings ask(const Strings &question)
  {
   std::string line;
   for(size_t i = 0; i < question.size(); i++)
      line += (i ? "\t" : "") + packed(question[i]);
   line += "\n";
   fwrite(line.data(), 1, line.size(), stdout);
   fflush(stdout);
   if(!read_line(line))
      exit(0);
   Strings answer;
   size_t from = 0;
   for(;;)
     {
      size_t tab = line.find('\t', from);
      answer.push_back(unpacked(line.substr(from, tab == std::string::npos ? tab : tab - from)));
      if(tab == std::string::npos)
         return answer;
      from = tab + 1;
     }
  }

static std::string text_of(long number) { return std::to_string(number); }

static std::string text_of(double number)
  {
   char out[64];
   snprintf(out, sizeof out, "%.17g", number);
   return out;
  }

static long ask_whole(const Strings &question) { return strtol(ask(question)[0].c_str(), nullptr, 10); }
static double ask_number(const Strings &question) { return strtod(ask(question)[0].c_str(), nullptr); }
static string ask_text(const Strings &question) { return wide(ask(question)[0]); }

static int last_error = 0;

// An answer that begins with an error code, 0 for none.
static bool done(const Strings &answer)
  {
   int code = atoi(answer[0].c_str());
   if(code)
      last_error = code;
   return code == 0;
  }

int GetLastError()
  {
   int code = last_error;
   last_error = 0;
   return code;
  }
void ResetLastError() { last_error = 0; }

//--- Text

int StringLen(const string &text) { return (int)text.s.size(); }

string StringSubstr(const string &text, int start, int length)
  {
   if(start < 0 || start >= (int)text.s.size())
      return string();
   return string(text.s.substr(start, length <= 0 ? std::u16string::npos : (size_t)length));
  }

int StringFind(const string &text, const string &wanted, int start)
  {
   size_t at = text.s.find(wanted.s, start);
   return at == std::u16string::npos ? -1 : (int)at;
  }

ushort StringGetCharacter(const string &text, int at)
  {
   if(at < 0 || at >= (int)text.s.size())
      return 0;
   return text.s[at];
  }

int StringCompare(const string &a, const string &b) { return a.s < b.s ? -1 : (a.s == b.s ? 0 : 1); }

int StringReplace(string &text, const string &old, const string &fresh)
  {
   int count = 0;
   for(size_t at = text.s.find(old.s); at != std::u16string::npos; at = text.s.find(old.s, at + fresh.s.size()))
     {
      text.s.replace(at, old.s.size(), fresh.s);
      count++;
     }
   return count;
  }

bool StringToLower(string &text)
  {
   for(char16_t &c : text.s)
      if(c >= 'A' && c <= 'Z')
         c += 32;
   return true;
  }

int StringSplit(const string &text, ushort separator, Array<string> &parts)
  {
   parts.all.clear();
   std::u16string part;
   for(char16_t c : text.s)
      if(c == separator)
        {
         parts.all.push_back(string(part));
         part.clear();
        }
      else
         part.push_back(c);
   parts.all.push_back(string(part));
   return ArraySize(parts);
  }

string ShortToString(ushort code) { return string(std::u16string(1, code)); }
string IntegerToString(long number) { return string(text_of(number).c_str()); }

string DoubleToString(double number, int digits)
  {
   char out[64];
   snprintf(out, sizeof out, "%.*f", digits, number);
   return string(out);
  }

string TimeToString(datetime time, int)
  {
   time_t seconds = time;
   tm parts;
   gmtime_r(&seconds, &parts);
   char out[32];
   strftime(out, sizeof out, "%Y.%m.%d", &parts);
   return string(out);
  }

long StringToInteger(const string &text) { return strtol(utf8(text).c_str(), nullptr, 10); }
double StringToDouble(const string &text) { return strtod(utf8(text).c_str(), nullptr); }

int StringToCharArray(const string &text, Array<uchar> &bytes, int start, int count)
  {
   if(ArraySize(bytes) < start + count)
      bytes.all.resize(start + count);
   for(int i = 0; i < count; i++)
      bytes[start + i] = (uchar)text.s[i];
   return count;
  }

string CharArrayToString(const Array<uchar> &bytes, int start, int count)
  {
   std::u16string out;
   for(int i = start; i < start + count && bytes[i]; i++)
      out.push_back(bytes[i]);
   return string(out);
  }

void ArraySort(Array<int> &a) { std::sort(a.all.begin(), a.all.end()); }

//--- Numbers

int MathRand() { return rand() % 32768; }

void MathSrand(int) { srand((uint)ask_whole({"seed"})); }

double NormalizeDouble(double x, int digits)
  {
   double scale = std::pow(10.0, digits);
   return std::round(x * scale) / scale;
  }

//--- Files

struct Open
  {
   std::string name, data;
   int flags;
   bool locked;
  };
static std::map<int, Open> files;
static std::map<long, Strings> searches;
static int next_handle = 1;

static std::string path(const string &name)
  {
   std::string out = utf8(name);
   std::replace(out.begin(), out.end(), '\\', '/');
   return out;
  }

static std::string bytes_of(const std::string &text)
  {
   std::string out;
   for(size_t i = 0; i + 1 < text.size(); i += 2)
      out.push_back((char)(hex(text[i]) * 16 + hex(text[i + 1])));
   return out;
  }

static std::string hex_of(const Array<uchar> &bytes, int start, int count)
  {
   static const char digits[] = "0123456789abcdef";
   std::string out;
   for(int i = start; i < start + count; i++)
     {
      out.push_back(digits[bytes[i] >> 4]);
      out.push_back(digits[bytes[i] & 15]);
     }
   return out;
  }

int FileOpen(const string &name, int flags)
  {
   Open file = {path(name), "", flags, false};
   if(!(flags & FILE_WRITE))
     {
      Strings answer = ask({"read", file.name});
      if(answer[0] != "1")
        {
         last_error = 5004;
         return INVALID_HANDLE;
        }
      file.data = bytes_of(answer[1]);
     }
   else if(!(flags & FILE_SHARE_READ))
     {
      if(ask_whole({"lock", file.name}) == 0)
        {
         last_error = 5004;
         return INVALID_HANDLE;
        }
      file.locked = true;
     }
   files[next_handle] = file;
   return next_handle++;
  }

void FileClose(int file)
  {
   if(files.count(file) && files[file].locked)
      ask({"release"});
   files.erase(file);
  }

void FileFlush(int) {}
bool FileSeek(int, long, int) { return true; }
ulong FileSize(int file) { return files[file].data.size(); }

uint FileReadArray(int file, Array<uchar> &bytes, int start, int count)
  {
   std::string &data = files[file].data;
   int size = std::min(count, (int)data.size());
   bytes.all.resize(start + size);
   memcpy(bytes.all.data() + start, data.data(), size);
   return size;
  }

uint FileWriteArray(int file, const Array<uchar> &bytes, int start, int count)
  {
   Open &open = files[file];
   const char *how = (open.flags & FILE_READ) ? "append" : "put";
   return ask_whole({how, open.name, hex_of(bytes, start, count)}) ? count : 0;
  }

bool FileMove(const string &from, int, const string &to, int flags)
  {
   if(!(flags & FILE_REWRITE))
      critical("the program always moves over what is there");
   return ask_whole({"move", path(from), path(to)}) != 0;
  }

bool FileDelete(const string &name) { return ask_whole({"delete", path(name)}) != 0; }
bool FolderCreate(const string &name) { return ask_whole({"make", path(name)}) != 0; }

long FileFindFirst(const string &filter, string &name)
  {
   std::string folder = path(filter);
   if(folder.size() < 2 || folder.substr(folder.size() - 2) != "/*")
      critical("the program lists whole folders");
   Strings names = ask({"names", folder.substr(0, folder.size() - 2)});
   if(names[0].empty())
      return INVALID_HANDLE;
   name = wide(names[0]);
   names.erase(names.begin());
   searches[next_handle] = names;
   return next_handle++;
  }

bool FileFindNext(long search, string &name)
  {
   Strings &names = searches[search];
   if(names.empty())
      return false;
   name = wide(names[0]);
   names.erase(names.begin());
   return true;
  }

void FileFindClose(long search) { searches.erase(search); }

//--- The terminal and the account

uint GetTickCount() { return (uint)ask_whole({"ticks"}); }
datetime TimeGMT() { return ask_whole({"gmt"}); }
datetime TimeLocal() { return TimeGMT(); }
datetime TimeCurrent() { return ask_whole({"server_time"}); }
bool IsConnected() { return ask_whole({"connected"}) != 0; }
bool IsTradeContextBusy() { return ask_whole({"context_busy"}) != 0; }
bool RefreshRates() { return true; }
long TerminalInfoInteger(int what) { return what == TERMINAL_BUILD ? 1420 : ask_whole({"trade_allowed"}); }
long MQLInfoInteger(int) { return ask_whole({"trade_allowed"}); }
long AccountInfoInteger(int what) { return what == ACCOUNT_TRADE_EXPERT ? 1 : ACCOUNT_TRADE_MODE_DEMO; }
int AccountNumber() { return (int)ask_whole({"account", "number"}); }
int AccountLeverage() { return (int)ask_whole({"account", "leverage"}); }
string AccountServer() { return ask_text({"account", "server"}); }
string AccountCompany() { return ask_text({"account", "company"}); }
string AccountCurrency() { return ask_text({"account", "currency"}); }
double AccountBalance() { return ask_number({"account", "balance"}); }
double AccountEquity() { return ask_number({"account", "equity"}); }
double AccountMargin() { return ask_number({"account", "margin"}); }
double AccountFreeMargin() { return ask_number({"account", "free"}); }
double AccountProfit() { return ask_number({"account", "profit"}); }
double AccountCredit() { return 0; }

double MarketInfo(const string &symbol, int mode)
  {
   Strings answer = ask({"market", utf8(symbol), text_of((long)mode)});
   if(!done(answer))
      return 0;
   return strtod(answer[1].c_str(), nullptr);
  }

int SymbolsTotal(bool) { return (int)ask_whole({"symbols"}); }
string SymbolName(int at, bool) { return ask_text({"symbol", text_of((long)at)}); }
string SymbolInfoString(const string &symbol, int what)
  {
   return ask_text({"currency", utf8(symbol), text_of((long)what)});
  }
long SymbolInfoInteger(const string &symbol, int) { return ask_whole({"execution", utf8(symbol)}); }
void Print(const string &a, const string &b) { fprintf(stderr, "%s%s\n", utf8(a).c_str(), utf8(b).c_str()); }
bool EventSetMillisecondTimer(int) { return true; }
void EventKillTimer() {}

//--- Orders

static Strings selected;

static bool take(const Strings &answer)
  {
   if(answer[0] != "1")
     {
      last_error = 4105;
      return false;
     }
   selected = answer;
   return true;
  }

static double number_at(int i) { return strtod(selected[i].c_str(), nullptr); }
static long whole_at(int i) { return strtol(selected[i].c_str(), nullptr, 10); }

int OrdersTotal() { return (int)ask_whole({"total"}); }
int OrdersHistoryTotal() { return (int)ask_whole({"history_total"}); }

bool OrderSelect(int index, int select, int pool)
  {
   const char *what = select == SELECT_BY_TICKET ? "order" : (pool == MODE_HISTORY ? "history_at" : "order_at");
   return take(ask({what, text_of((long)index)}));
  }

int OrderTicket() { return (int)whole_at(1); }
int OrderType() { return (int)whole_at(2); }
string OrderSymbol() { return wide(selected[3]); }
double OrderLots() { return number_at(4); }
double OrderOpenPrice() { return number_at(5); }
datetime OrderOpenTime() { return whole_at(6); }
double OrderStopLoss() { return number_at(7); }
double OrderTakeProfit() { return number_at(8); }
double OrderClosePrice() { return number_at(9); }
datetime OrderCloseTime() { return whole_at(10); }
double OrderCommission() { return number_at(11); }
double OrderSwap() { return number_at(12); }
double OrderProfit() { return number_at(13); }
string OrderComment() { return wide(selected[14]); }
int OrderMagicNumber() { return (int)whole_at(15); }
datetime OrderExpiration() { return whole_at(16); }

int OrderSend(const string &symbol, int type, double lots, double price, int slippage, double sl, double tp,
              const string &comment, int magic, datetime expiry, color)
  {
   Strings answer = ask({"send", utf8(symbol), text_of((long)type), text_of(lots), text_of(price),
                         text_of((long)slippage), text_of(sl), text_of(tp), utf8(comment), text_of((long)magic),
                         text_of((long)expiry)});
   return done(answer) ? atoi(answer[1].c_str()) : -1;
  }

bool OrderClose(int ticket, double lots, double price, int slippage, color)
  {
   return done(ask({"close", text_of((long)ticket), text_of(lots), text_of(price), text_of((long)slippage)}));
  }

bool OrderCloseBy(int ticket, int by, color)
  {
   return done(ask({"close_by", text_of((long)ticket), text_of((long)by)}));
  }

bool OrderModify(int ticket, double price, double sl, double tp, datetime expiry, color)
  {
   return done(ask({"modify", text_of((long)ticket), text_of(price), text_of(sl), text_of(tp), text_of((long)expiry)}));
  }

bool OrderDelete(int ticket, color) { return done(ask({"remove", text_of((long)ticket)})); }

//--- The program

static const char *input(const char *name)
  {
   return getenv((std::string("MQL4_INPUT_") + name).c_str());
  }

void shim_input(const char *name, string &value)
  {
   if(input(name))
      value = string(input(name));
  }

void shim_input(const char *name, int &value)
  {
   if(input(name))
      value = atoi(input(name));
  }

// Each line is an event for the program; `done` says that it has returned.
int main()
  {
   shim_inputs();
   if(OnInit() != INIT_SUCCEEDED)
      return 1;
   fputs("started\n", stdout);
   fflush(stdout);
   std::string line;
   while(read_line(line))
     {
      if(line == "timer")
         OnTimer();
      if(line == "tick")
         OnTick();
      if(line == "deinit")
         OnDeinit(0);
      if(line == "init")   // what is global keeps its value, as it does where a chart changes its period
         OnInit();
      fputs("done\n", stdout);
      fflush(stdout);
     }
   return 0;
  }
