# SSLRequire: which expressions are accepted, and what they come to. Below __DATA__ stands one expression a line and the
# status of a request over TLS with a client certificate: 200 true, 403 false, 500 refused when it is read.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

my (@good, @bad);
while (my $line = <DATA>) {
    next if $line !~ /^(\d{3}) (.*)$/;
    push @{ $1 == 500 ? \@bad : \@good }, [$1, $2];
}

# Bytes that do not look well in a file: what is not ASCII comes before ASCII. And bounds that stay within both modules'.
push @good, map { [@$_] }
    [403, qq("\xe9" > "a")], [200, qq("\xe9" < "a")], [200, qq("\xe9" > "\x80")], [200, qq("\xe9" == "\xe9")],
    [200, qq("a\xe9" < "ab")], [200, qq(true\tand\ttrue)], [200, qq("a\x01b" != "ab")],
    [200, '(' x 150 . 'true' . ')' x 150], [403, '!' x 151 . 'true'], [200, '"' . 'a' x 8000 . '" =~ /a/'],
    [200, '"x" in {' . join(',', map { qq("n$_") } 1 .. 2000) . ',"x"}'], [403, '"x" in {' . join(',', map { qq("n$_") } 1 .. 2000) . '}'],
    [200, join(' and ', ('true') x 2000)], [403, join(' or ', ('false') x 2000)], [200, join('.', ('"a"') x 18) . ' =~ /^a{18}$/'];
push @bad, map { [500, $_] } qq(true\x0band true), qq(true\x0cand true), qq(true\xa0and true), "true\x01";

my $number = 0;
my $locations = join '', map { sprintf "<Location /%d/>\nSSLRequire %s\n</Location>\n", $number++, $_->[1] } @good;
my $site = <<'CONF';
SetEnv LATE late
SetEnvIf Host . EARLY=early
MaxKeepAliveRequests 0
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SSLCACertificateFile  @pki@/ca.crt
    SSLVerifyClient optional
</VirtualHost>
CONF
my $h = ModSSL::Httpd->new(config => "AliasMatch ^/\\d+/ \@htdocs\@/index.html\n$site$locations");
$h->file('secret', "the secret\n");
$h->file('htdocs/bad/index.html', "ok\n");
$h->start or die $h->why;

my $sock;
sub get {
    my ($path) = @_;
    for my $attempt (1, 2) {    # the server may close a connection that was idle
        $sock ||= tls_connect(port => $h->port, sni => 'rsa.test', version => '1.2', client => 'client') or return { status => "no TLS: $tls_error" };
        my $r = http_get($sock, $path, 'rsa.test', headers => { 'X-Foo' => 'bar', 'X-Num' => '12', Accept => 'text/x' });
        return $r if $r;
        undef $sock;
    }
    return { status => 'no answer' };
}

sub short { my ($text) = @_; $text =~ s/[^ -~]/?/g; return length $text > 150 ? substr($text, 0, 150) . '...' : $text }

subtest 'accepted' => sub {
    for my $i (0 .. $#good) {
        is(get("/$i/")->{status}, $good[$i][0], 'expression ' . short($good[$i][1]));
    }
};

subtest 'refused' => sub {
    for my $row (@bad) {
        $h->file('htdocs/bad/.htaccess', "SSLRequire $row->[1]\n");
        is(get('/bad/')->{status}, $row->[0], 'expression ' . short($row->[1]));
    }
    $h->file('htdocs/bad/.htaccess', "SSLRequire true\n");
    is(get('/bad/')->{status}, 200, 'and then a good one');
};

subtest 'Vary names the headers that were looked at' => sub {
    for my $case (['%{HTTP:X-Foo} == "bar"', 'X-Foo'], ['%{HTTP:X-Num} == 12 and req("X-Foo") == "bar"', 'X-Num,X-Foo'],
                  ['%{HTTP:X-Num} == 12 or %{HTTP:X-Foo} == "bar"', 'X-Num'], ['req_novary("X-Foo") == "bar"', ''],
                  ['%{HTTP_HOST} == "rsa.test"', ''], ['1 -in {%{HTTP:X-Foo}, 1}', ''], ['1 in {1, %{HTTP:X-Foo}}', 'X-Foo']) {
        my ($expression, $wanted) = @$case;
        $h->file('htdocs/bad/.htaccess', "SSLRequire $expression\n");
        my $r = get('/bad/');
        my $vary = $r->{headers}{vary};
        is($r->{status}, 200, $expression);
        is(join(',', ref $vary ? @$vary : $vary || ()), $wanted, "... Vary: $wanted");
    }
};

# What ours says of a mistake: the place, and what is wrong there. [expression, column, words]
my @mistakes = (
    ['true and',                         9, qr/the expression ends where a string, number, variable or function is expected/],
    ['%{NOSUCH} == ""',                  3, qr/NOSUCH/],
    ['nosuch("x") == ""',                1, qr/nosuch/],
    ['"x" in nosuch("x")',               8, qr/nosuch/],
    ['-q "x"',                           1, qr/-q/],
    ['"a" -nosuch "x"',                  5, qr/-nosuch/],
    ['a == b',                           1, qr/neither a string .* nor a variable .* nor a function/],
    ['true & true',                      6, qr/a single '&' is no operator \(write '&&'\)/],
    ['"abc',                             1, qr/this string has no end \("\)/],
    ['"abc%{HTTPS',                     12, qr/a variable is %\{NAME\}/],
    ['"abc%{HTTP:X',                    11, qr/this %\{\.\.\.\} has no end/],
    ['"a" =~ /(/',                       8, qr/this regular expression cannot be compiled/],
    ['"a" =~ /b',                        8, qr/this regular expression has no end/],
    ['"a" =~ "b"',                       8, qr/a regular expression is expected/],
    ['"\\400" == "x"',                   3, qr/an octal escape sequence/],
    ['("a" == "a"',                     12, qr/'\)', 'and' or 'or' is expected|the expression ends where '\)'/],
    ['"a" in {"b"',                     12, qr/the expression ends where ',' or '\}' is expected/],
    ['true true',                        6, qr/'and', 'or' or the end is expected/],
    ['(' x 300 . 'true' . ')' x 300,   201, qr/nested too deeply \(more than 200 levels\)/],
);

# These end the stock module's process.
my @jammed = ('"x%{HTTP:X-Foo" == "x"', '%{tolower:"A"} == "a"', q("%{tolower:A'B}" == "a'b"));

subtest 'what is said of mistakes' => sub {
    plan skip_all => 'ours only: place and cause of a mistake' if is_stock();
    my $bad = ModSSL::Httpd->new(name => 'mistakes', config => '');
    for my $case (@mistakes) {
        my ($expression, $column, $words) = @$case;
        $bad->config("<Location />\nSSLRequire $expression\n</Location>\n");
        my ($status, $text) = $bad->configtest;
        is($status, 1, 'refused: ' . short($expression));
        like($text, qr/Syntax error on line \d+ of .*\n.*SSLRequire: .*at column $column \(<-- HERE\): /, '... at its place');
        like($text, $words, '... and why');
    }
    for my $expression (@jammed) {
        $h->file('htdocs/bad/.htaccess', "SSLRequire $expression\n");
        is(get('/bad/')->{status}, 500, "$expression: refused");
        $bad->config("<Location />\nSSLRequire $expression\n</Location>\n");
        like(($bad->configtest)[1], qr/a quotation mark inside of %\{\.\.\.\} is written \\/, '... and why');
    }
    $bad->config("<Location />\nSSLRequire \"" . 'a' x (1024 * 1024) . "\" == \"\"\n</Location>\n");
    like(($bad->configtest)[1], qr/the expression is longer than 1048576 characters/, 'a megabyte');
};

subtest 'what is said of a denial' => sub {
    $h->log_mark;
    $h->file('htdocs/bad/.htaccess', qq(\n\nSSLRequire %{SSL_CLIENT_S_DN_CN} eq "somebody"\n));
    is(get('/bad/')->{status}, 403, 'denied');
    ok($h->errorlog_like(qr/AH02229: access to \S+ failed, reason: /), 'with the number that stock uses');
    SKIP: {
        skip 'ours only: place, client and expression in one line', 1 if is_stock();
        like($h->errorlog, qr{AH02229: .* SSLRequire \(\S+/bad/\.htaccess:3\) is not fulfilled \(client certificate: [^)]*CN=Test Client[^)]*expression: %\{SSL_CLIENT_S_DN_CN\} eq "somebody"\)}, 'file, line, client, expression');
    }
};

ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;

__DATA__
200 true
500 TRUE
500 True
403 false
200 not false
200 ! false
200 !false
200 !!true
200 not not true
500 NOT false
200 true and true
500 true AND true
403 true && false
200 false or true
200 false || true
200 true or false and false
403 (true or true) and false
403 not false and false
200 not (false and false)
200 "a" == "a"
200 "a" eq "a"
500 "a" EQ "a"
200 "a" = "a"
200 'a' == 'a'
200 'a' == "a"
500 a == a
500 a == b
200 1 == 1
403 1 == 01
200 "1" == 1
200 -1 == -1
200 "b" > "a"
200 "aa" > "b"
403 "b" > "aa"
200 "9" < "10"
200 "09" < "10"
200 10 > 9
403 100 lt 99
200 99 lt 100
200 99 -lt 100
200 "abc" -lt "abd"
403 "a" -eq "b"
200 "a" -eq "a"
403 "01" -eq "1"
200 1 -ge 1
200 "a" in {"a"}
200 "a" in {"b","a"}
200 "a" in {"b", 'a', 1}
500 "a" in { "b" "a" }
200 "a" -in {"a"}
500 "a" in {}
500 "a" in "a"
500 "a" IN {"a"}
200 "abc" =~ /b/
200 "abc" =~ m/b/
200 "abc" =~ m#b#
200 "abc" =~ m|b|
200 "abc" =~ m,b,
200 "abc" =~ m/B/i
200 "abc" =~ /B/i
200 "abc" !~ /x/
500 "abc" =~ "b"
500 "abc" =~ m/(/
500 "abc" =~ /b/x
500 "abc" =~ /b/ims
500 "abc" =~ b
500 %{HTTPS}
200 %{HTTPS} == "on"
200 %{https} == "on"
200 %{SSL_PROTOCOL} == "TLSv1.2"
200 %{ssl_protocol} == "TLSv1.2"
200 %{SSL_NOSUCH} == ""
500 %{NOSUCH} == ""
200 %{HTTP:X-Foo} == "bar"
200 %{http:x-foo} == "bar"
500 %{HTTP_X_FOO} == "bar"
200 %{HTTP_ACCEPT} == "text/x"
200 %{HTTP_HOST} == "rsa.test"
403 %{ENV:FOO} == "envfoo"
200 %{ENV:EARLY} == "early"
200 %{SSL:SSL_PROTOCOL} == "TLSv1.2"
200 %{REMOTE_ADDR} == "127.0.0.1"
200 %{TIME_WDAY} <= 6
200 %{TIME_YEAR} > 2000
200 %{TIME_YEAR} > 300
200 -f "@root@/secret"
200 -e "@root@/secret"
200 -d "/tmp"
200 -s "@root@/secret"
200 -z ""
200 -n "a"
403 -n ""
200 -T "on"
403 -T "no"
200 -U "/index.html"
200 -F "@root@/htdocs/index.html"
200 -R "127.0.0.1"
500 -R "bogus"
200 "127.0.0.1" -ipmatch "127.0.0.0/8"
200 "abc" -strmatch "a*"
200 "ABC" -strcmatch "a*"
200 "abc" -fnmatch "a*"
200 tolower("ABC") == "abc"
200 toupper('abc') == 'ABC'
200 TOLOWER("ABC") == "abc"
500 nosuch("x") == "x"
200 md5("x") == "9dd4e461268c8034f5c8564e155c67a6"
200 env("EARLY") == "early"
200 req("X-Foo") == "bar"
200 http("X-Foo") == "bar"
200 reqenv("EARLY") == "early"
200 ssl("SSL_PROTOCOL") == "TLSv1.2"
200 base64("x") == "eA=="
200 unbase64("eA==") == "x"
200 escape("a b") == "a%20b"
403 ldap("a*") == "x"
200 req_novary("X-Foo") == "bar"
200 note("x") == ""
403 "x" in PeerExtList("1.2.3")
403 "x" in peerextlist("1.2.3")
403 "x" in PeerExtList('nsComment')
403 "x" -in PeerExtList("1.2.3")
500 "x" in OID("1.2.3")
403 "x" in PeerExtList(1.2.3)
500 "x" in PeerExtList(nsComment)
403 "x" in PeerExtList(%{HTTP:X})
500 "x" in split("x")
200 "%{SSL_PROTOCOL}" == "TLSv1.2"
200 "x%{HTTP:X-Foo}y" == "xbary"
200 "a\"b" == 'a"b'
200 'a\'b' == "a'b"
200 "a\nb" == "a\nb"
200 "a\\b" == 'a\\b'
200 "a\x" == "ax"
200 "a\x" == 'a\x'
500 "%{" == "x"
200 "%" == "%"
200 "100%" == "100%"
200 "$0" == ""
200 "$1" == ""
200 "abc" =~ /(b)/ and "$1" == "b"
200 "abc" =~ /(b)/ and $1 == "b"
200 "a$" == "a$"
200 "a" . "b" == "ab"
200 "a"."b" == "ab"
200 "a" == "a" . ""
500 %{HTTP:X-Foo}.x == "barx"
500 "unterminated
500 'unterminated
500 "a" ==
500 == "a"
500 "a"
500 1
500 0
500 ("a" == "a"
500 "a" == "a")
500 ()
500 (true
500 true true
500 true false
500 and
500 true and
500 or true
500 true &
500 true & true
500 true | true
500 "a" == "a" == "a"
500 "a" < "b" < "c"
500 # comment
500 true # comment
500 true ; false
500 {
500 %{
500 %{}
500 %{ } == ""
500 %{HTTP:} == ""
500 %{:x} == ""
200 %{HTTP:X Foo} == ""
200 %{HTTP:X{Foo} == ""
200 %{HTTP:X\}Foo} == ""
500 "a" =~ /a
500 "a" =~ m/a
500 "a" =~ m
500 "a" =~
500 "a/b" =~ /a\/b/
200 "a/b" =~ m#a/b#
200 "" == ""
200 "" =~ /^$/
200 '' == ""
200 12 in {12, 13}
200 1.5 == 1.5
500 "a" == a
500 Aa == "Aa"
500 a_b == "a_b"
500 a-b == "a-b"
403 1.2.3.4 == "1.2.3.4"
500 1..2 == "1..2"
500 .5 == ".5"
500 5. == "5."
500 -.5 == "-.5"
200 -5 == "-5"
500 - 5 == "-5"
500 --5 == "--5"
500 5-5 == "5"
200 "a" . -5 == "a-5"
500 1a == "1a"
500 1 -eq1
200 1 ==1
200 1==1
200 1-eq 1
500 0x10 == 16
200 "a"=="a"
200 "a"eq"a"
200 "a" eq"a"
500 trueandtrue
200 true&&true
500 nottrue
403 not(true)
403 !(true)
500 !true==true
500 true == true
200 "a" == "a"and"b" == "b"
200 "a" == "a"or"b" == "b"
200 true||true
500 "a" =~ m{a}
500 "a" =~ m{a{
500 "a" =~ m(a)
500 "a" =~ m(a(
500 "a" =~ m a 
200 "a" =~ m"a"
200 "a" =~ m'a'
200 "a" =~ m$a$
200 "a" =~ m^a^
200 "a" =~ m!a!
200 "a" =~ m%a%
500 "a" =~ m~a~
500 "a" =~ m_a_
200 "a" =~ m;a;
200 "a" =~ m:a:
500 "a" =~ m=a=
200 "a" =~ m?a?
500 "a" =~ m<a<
500 "a" =~ m>a>
500 "a" =~ m[a[
500 "a" =~ m]a]
500 "a" =~ m+a+
500 "a" =~ m*a*
200 "a" =~ m-a-
200 "a" =~ m.a.
500 "a" =~ m@a@
500 "a" =~ m&a&
200 "a" =~ m,a,
500 "a" =~ m`a`
500 "a" =~ m)a)
500 "a" =~ m}a}
500 "a" =~ mxax
500 "a" =~ m1a1
500 "a" =~ m /a/
500 "a" =~ m /a/i
200 "a" =~/a/
200 "a" =~m/a/
200 "a"=~/a/
200 "A" =~ /a/i and true
200 "A" =~ /a/iand true
500 "A" =~ /a/ i
200 "a" =~ //
200 "a" =~ m##
500 "a" =~ /a/m
500 "a" =~ /a/s
500 "a" =~ /a/g
500 "a" =~ /a/n
500 "a" =~ s/a/b/
500 "a" =~ #a#
500 "a" =~ !a!
500 "a" == /a/
500 /a/ == "a"
403 "b%{HTTPS}" =~ /b%{HTTPS}/
403 "bon" =~ /b%{HTTPS}/
500 "a
500 "a" =~ /[/]/
200 "a" =~ m#[/]|a#
500 %{HTTPS } == "on"
500 %{ HTTPS} == "on"
500 %{1A} == "on"
500 %{_A} == "on"
500 %{A-B} == "on"
200 %{SSL_CLIENT_S_DN_CN} == "Test Client"
500 %{SSL_CLIENT_S_DN-x} == ""
200 %{TOLOWER:ABC} == "abc"
200 %{tolower:A B:C} == "a b:c"
200 %{tolower:%{HTTPS}X} == "onx"
200 %{toupper:%{tolower:%{toupper:a}}} == "A"
200 %{tolower:A\}B} == "a}b"
500 %{tolower :A} == "a"
200 %{tolower: A} == " a"
500 %{nosuch:x} == ""
500 %{PeerExtList:x} == ""
200 tolower("A" . "B") == "ab"
200 tolower ("A") == "a"
200 tolower( "A" ) == "a"
500 tolower("a","b") == "a"
500 tolower() == ""
200 tolower(tolower("A")) == "a"
200 tolower(1) == 1
200 tolower(%{HTTPS}) == "on"
200 tolower(%{HTTPS} . "X") == "onx"
500 tolower
200 tolower("A") . "B" == "aB"
200 "a" . tolower("B") == "ab"
200 "a" . "b" . "c" == "a" . "bc"
500 "a" . == "a"
500 . "a" == "a"
500 "ab" == ("a" . "b")
500 ("a") == "a"
403 -z "a" . ""
403 -z ""."a"
200 -n "a" . ""
500 -z("")
500 -z ("")
403 -z %{HTTPS}
200 -z tolower("")
500 -z1
403 -z 1
200 -n 1
500 -q "a"
500 -Z "a"
200 not -z "a"
200 ! -z "a"
200 !-z "a"
500 -z -z ""
500 "a" -foo "b"
500 "a" -EQ "a"
500 "a" -Eq "a"
500 "a" -e "b"
200 "a" -strmatch"a"
403 "A" eq "a"
403 "A" == "a"
200 "A" < "a"
403 "a" < "A"
200 "b" <= "b"
200 "b" >= "b"
403 "ab" <= "b"
200 "ab" >= "b"
200 "b" <= "ab"
403 "b" >= "ab"
200 "" < "a"
200 "a" > ""
200 "" <= ""
403 "" < ""
200 "" == %{SSL_NOSUCH}
200 %{SSL_NOSUCH} < 1
500 "a" <> "b"
500 "a" => "b"
500 "a" =< "b"
500 "a" === "a"
500 "a" !== "a"
500 "a" ! = "b"
200 "a" != "b"
200 "a" ne "b"
200 "a" -ne "b"
200 "a" !~ /b/
500 "a" ! ~ /b/
500 "a" ~ /a/
500 "a" not in {"b"}
200 not "a" in {"b"}
200 !"a" in {"b"}
200 ! "a" == "b"
200 not "a" == "b"
200 not "a" == "a" or true
500 "a" in { "a" , }
500 "a" in {,"a"}
200 "a" in {"x" . "a", "a"}
200 "xa" in {"x" . "a", "a"}
200 "a" in {tolower("A")}
200 "on" in {%{HTTPS}}
403 "A" in {"a"}
200 "a" in {"a"} and true
200 "a"in{"a"}
200 "a" in {'%{HTTPS}', 'a'}
500 "a" in ("a")
500 "a" in ["a"]
200 '%{HTTPS}' == "on"
403 "\%{HTTPS}" == '%{HTTPS}'
200 "\%{HTTPS}" == '\%{HTTPS}'
200 "\%{HTTPS}" =~ /^.{8}$/
200 "\$1" =~ /^.1$/
200 "$a" =~ /^.a$/
200 "$" =~ /^.$/
200 "$$" =~ /^..$/
403 "\b" =~ /^b$/
403 "\f" =~ /^f$/
200 "\r" =~ /^\r$/
200 "\n" =~ /^\n$/
200 "\t" =~ /^\t$/
200 "\b" =~ /^[\b]$/
200 "\f" =~ /^\f$/
403 "\0" =~ /^0$/
403 "\x41" =~ /^A$/
200 "\x41" =~ /^x41$/
403 "\101" =~ /^101$/
200 "\a" =~ /^a$/
200 "\v" =~ /^v$/
200 "\e" =~ /^e$/
200 "\/" =~ m#^/$#
200 "\\" =~ /^.$/
500 '\'
200 "abc" =~ /(b)(c)/ and "$2$1$0" == "cbbc"
200 "abc" =~ /(b)(c)/ and $2 == "c"
200 "abc" =~ /(b)/ and "$10" == "b0"
200 "abc" =~ /(b)/ and "$2" == ""
403 "abc" =~ /(b)/ and "x" =~ /(y)/ or $1 == "b"
403 "abc" =~ /(b)/ and not "x" =~ /(y)/ and $1 == "b"
403 "abc" =~ /(b)/ and "x" !~ /(y)/ and $1 == "b"
200 "abc" =~ /(b)/ and "xyz" =~ /(y)/ and $1 == "y"
200 "abc" !~ /(b)/ or $1 == "b"
200 "abc" =~ /(b)/ and %{tolower:X$1} == "xb"
200 "abc" =~ /(b)/ and $1 in {"b"}
200 $1 == ""
500 $10 == ""
500 $ 1 == ""
500 $a == ""
500 "true"
500 'true'
200 "true" == "true"
500 %{SSL_PROTOCOL} == TLSv1.2
200 %{SSL_CIPHER_USEKEYSIZE} >= 128
200 %{SSL_CIPHER_USEKEYSIZE} >= 99
200 %{SSL_CIPHER_USEKEYSIZE} >= "128"
403 %{SSL_CIPHER_USEKEYSIZE} > 1000
200 true and not false or false and not not true
200 true or true and false
200 false and true or true
200 false or false and true or true
200 not true or true
403 not (true or true)
200 !true or true
200 ! (true) or true
200 ((((((((((true))))))))))
200 (((((((((((((((((((((true)))))))))))))))))))))
200 !!!!!!!!!!true
403 !!!!!!!!!!!!!!!!!!!!!!!!!true
200 true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true and true
200 "a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a"."a" =~ /aaaa/
200 "%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}%{HTTPS}" =~ /onon/
200 %{tolower:%{tolower:%{tolower:%{tolower:%{tolower:%{tolower:%{tolower:%{tolower:%{tolower:%{tolower:%{tolower:%{tolower:A}}}}}}}}}}}} == "a"
200 "\101" == "A"
200 "\1" =~ /^\x01$/
200 "\0" == ""
200 "a\0b" == "a"
500 "\400" == "x"
200 "\377" =~ /^\xff$/
500 "\18" =~ /^\x018$/
500 "\1011" == "A1"
500 "\9" == "9"
200 "\"" == '"'
200 '\"' == '"'
200 '\n' =~ /^\n$/
200 '"' == "\""
200 "'" == '\''
200 %{tolower:\101} == "a"
500 -R %{HTTP:X-Foo}
500 -R "%{REMOTE_ADDR}"
500 -R "127.0.0." . "1"
500 -R 127
500 "1.2.3.4" -ipmatch %{HTTP:X-Foo}
500 "1.2.3.4" -ipmatch "x"
403 %{HTTP:X-Foo} -ipmatch "1.2.3.4"
403 %{HTTP:X-Foo} == "no"
200 %{req:X-Num} == 12
200 %{req_novary:X-Num} == 12
200 %{HTTP:X-Num} == 12 and %{HTTP:X-Foo} == "bar"
200 %{HTTP:X-Num} == 12 or %{HTTP:X-Foo} == "bar"
200 %{resp:X} == ""
403 -n %{REMOTE_USER}
200 %{THE_REQUEST} =~ /GET/
200 %{IS_SUBREQ} == "false"
200 %{HANDLER} == ""
200 %{REQUEST_STATUS} == 200
200 %{SERVER_NAME} == "rsa.test"
200 %{IPV6} == "off"
200 %{HTTP2} == "off"
200 %{API_VERSION} > 0
200 %{AUTH_TYPE} == ""
200 %{SSL_CLIENT_VERIFY} == "SUCCESS"
200 %{SSL_CLIENT_CERT} =~ /BEGIN/
200 %{SSL_SERVER_S_DN_CN} == "rsa.test"
200 %{SSL_TLS_SNI} == "rsa.test"
200 %{SSL_CLIENT_S_DN} =~ /CN=Test Client/
200 %{SSL_CLIENT_V_REMAIN} > 0
200 %{SSL_CLIENT_M_SERIAL} != ""
200 %{SSL_SECURE_RENEG} == "true"
200 %{SSL_VERSION_INTERFACE} =~ /mod_ssl/
200 %{ssl:HTTPS} == "on"
200 %{SSL:ENV:EARLY} == "early"
200 %{SSL:REMOTE_ADDR} == "127.0.0.1"
200 %{SSL:HTTP:X-Foo} == "bar"
200 %{SSL:TIME_YEAR} > 2000
200 %{SSL:NOSUCH} == ""
200 ssl("REMOTE_ADDR") == "127.0.0.1"
500 exec("ls") == ""
200 -A "/"
200 -U "/nosuch"
200 -U "http://x/"
500 %{tolower:} == ""
200 %{tolower:a%} == "a%"
200 %{tolower:a$} == "a$"
200 %{tolower:a{b} == "a{b"
200 %{tolower:a:b} == "a:b"
200 "a%b" == 'a%b'
200 "%%{HTTPS}" == "%on"
200 "%{HTTPS}%" == "on%"
200 "a{b}" == "a{b}"
200 "{" == '{'
200 "}" == '}'
200 "$%{HTTPS}" == "$on"
200 "a%" . "{b" =~ /a/
200 "" . "" == ""
200 "a" == "a" . "b" or true
500 true and (true
500 true) and true
500 "a" in {"a"
500 "a" in {"a",
500 "a" in {"a" and true
500 "a" in
500 "a" =~ /a/ /b/
500 "a" "b"
500 not
500 !
500 ! or true
500 -n
500 -f
500 "a" -strmatch
500 tolower(
500 tolower("a"
500 tolower("a" == "a"
500 PeerExtList("1") == "a"
500 "a" in PeerExtList(
500 "a" in PeerExtList()
500 "a" in PeerExtList
500 "a" in PeerExtList("x") . "a"
500 "a" in tolower("a")
403 "a" in PeerExtList("nosuchname")
403 "a" in PeerExtList("")
500 true = true
500 "a" -in {"a"} -and true
500 "a" && true
500 "a" == "a" && "b"
500 "a" == "a" || "b"
500 tolower("a") 
500 tolower("a") and true
500 %{HTTPS} and true
200 %{HTTPS} =~ /on/ && %{SSL_CIPHER} !~ m/^(EXP|NULL)-/
200 ( %{SSL_CIPHER} !~ m/^(EXP|NULL)-/ and %{SSL_CLIENT_S_DN_CN} eq "Test Client" and %{TIME_WDAY} -ge 0 and %{TIME_HOUR} -le 24 ) or %{REMOTE_ADDR} =~ m/^192\.76\.162\.[0-9]+$/
200 "abc" =~ /(?<n>b)/ and $1 == "b"
200 "abc" =~ /(a)(b)(c)()()()()()()(d)?/ and "$9" == ""
403 "abc" =~ /b/ and $0 == "b"
200 "ab" =~ /(x)?b/ and $1 == ""
200 "a" =~ /(((((((((((a)))))))))))/ and $9 == "a"
500 "a" =~ /[/ 
500 "a" =~ /a{2,1}/
200 "a" =~ /(?i)A/
200 "a" =~ /a(?#c)/
200 "A" =~ m#a#i
200 "a" =~ m.b.i or true
200 '' . 'a' == "a"
200 "a"."b"=="ab"
500 "a".b == "ab"
200 1 . 2 == 12
200 1.2 == 12
403 -1 < 1
200 -1 > 1
200 -10 < 100
200 "10" > "9" and "9" > "8"
403 "a" == -1
403 00 == 0
200 123456789012345678901234567890 == 123456789012345678901234567890
200 %{TIME} > 20200101000000
500 %{TIME_YEAR}%{TIME_MON} > 1
200 "%{TIME_YEAR}%{TIME_MON}" > 190001
200 "abc" =~ /(b)/ and $0 == "b"
200 "abc" =~ /b/ and $0 == ""
200 "abc" =~ /(b)/ and "x" =~ /x/ and $1 == "b"
403 "abc" =~ /(b)/ and "x" =~ /x/ and $1 == ""
200 "abc" =~ /(b)/ and "x" !~ /y/ and $1 == "b"
200 "abc" =~ /(b)/ and "x" !~ /(y)/ and $1 == ""
200 "abc" =~ /(b)/ and not "x" =~ /y/ and $1 == "b"
200 "abc" =~ /(b)/ and "x" =~ /(x)/ and $0 == "x"
200 "abc" =~ /(b)/ and "q" !~ /(x)/ and $0 == ""
200 "$0" == "" and "abc" =~ /(b)/ and "b" == $0
500 -R ""
500 -R ''
500 "1.2.3.4" -ipmatch ""
403 "a" -strmatch ""
200 "" -strmatch ""
200 "a" -strmatch %{tolower:A}
200 "a" -STRMATCH "a"
500 "a" -_x "a"
500 "a" -x_ "a"
403 "a" -in {"b"}
500 -in {"b"}
500 "a" -notin {"b"}
200 "a" in{"a"}
403 "a" -in PeerExtList("1.2")
500 "a" not "a"
500 "a" and "a"
500 in == "a"
500 "a" == in
500 eq("a") == "a"
500 true("a") == "a"
200 not("a" == "b")
500 m("a") == "a"
500 m ("a") == "a"
500 i == "a"
500 "a" =~ m/a/ i
200 "a" =~ /a/i&&true
200 "a" lt "b" and "b" gt "a" and "a" le "a" and "b" ge "a" and "a" ne "b"
200 "a" -lt "b" and "b" -gt "a" and "a" -le "a" and "b" -ge "a"
200 "a" < "b"and"a"<"b"
500 "a" ltb
500 TRUE == "a"
403 "a" == "%{HTTPS}on"
500 %{HTTPS:x} == ""
500 %{SSL_PROTOCOL:x} == ""
500 %{TIME:x} == ""
500 SSL_PROTOCOL("x") == ""
200 %{SSL_} == ""
200 %{SSL_CLIENT_CERT_CHAIN_0} =~ /BEGIN/
200 %{SSL_CLIENT_CERT_CHAIN_9} == ""
403 %{SSL_CLIENT_S_DN_OU_0} == ""
200 %{HTTP_FORWARDED} == ""
200 %{HTTP_REFERER} == ""
500 %{TIME_FOO} == ""
200 %{DOCUMENT_ROOT} != ""
500 "\" == "a"
500 'a" == 'b'
500 "a' == "b"
200 "" =~ m..
200 "a" =~ m||
500 "|" =~ m|\||
200 !!"a" == "a"
403 not!not true
200 ( true )
200 ( ( true ) and ( false or true ) )
200 (true)and(true)
500 (true)true
500 true(true)
500 (not true) == "a"
500 "a" == "a" ) or ( true
