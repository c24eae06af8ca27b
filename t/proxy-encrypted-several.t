# Several encrypted private keys among the client certificates of one file or directory: each is asked for by its place in its file,
# by the rules for server keys; keys that were opened stay for restarts, pass phrases do not; backends get the certificate that fits.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need bundled);
use ModSSL::Client qw(presented);
use ModSSL::Httpd qw(ours_only);
use ModSSL::Memory qw(in_memory unreadable);
use ModSSL::PKI qw(pki_file slurp spew openssl);

ours_only('the stock module takes no encrypted keys for backends');
need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-several-encrypted.$$";
mkdir $dir;

# Long: what is freed without being wiped keeps its end rather than its start.
my $END = 'which has an end that tells it from anything else in memory';
my %PHRASE = map { $_ => "Grundel $_ $END" } qw(A B C);

my $ask = sub { "ssl_verify_client on; ssl_client_certificate @{[ pki_file(\"$_[0].crt\") ]};" };
my $backend = ModSSL::Backend->nginx(
    any => { cert => 'rsa', more => $ask->('ca') },
    rsa => { cert => 'rsa', more => $ask->('ca') . ' ssl_conf_command ClientSignatureAlgorithms RSA-PSS+SHA256:RSA+SHA256;' },
    ec  => { cert => 'rsa', more => $ask->('ca') . ' ssl_conf_command ClientSignatureAlgorithms ECDSA+SHA256;' },
    ca2 => { cert => 'rsa', more => $ask->('ca2') },
);
my $PASS = join '', map { "ProxyPass /$_/ https://localhost:" . $backend->port($_) . "/ disablereuse=on retry=0\n" } qw(any rsa ec ca2);

# What goes into a file: "proxy.crt"; "proxy.key", "proxy.key:A" (PKCS#8 under phrase A), "proxy.key:A:rsa" (the traditional form).
sub block {
    my ($source, $phrase, $type) = split /:/, $_[0];
    return slurp(pki_file($source)) if !$phrase;
    my @form = $type ? ($type, '-aes128', $type eq 'rsa' ? '-traditional' : ()) : ('pkcs8', '-topk8', '-v2', 'aes256');
    openssl(@form, '-in', pki_file($source), '-passout', "pass:$PHRASE{$phrase}", '-out', "$dir/block");
    return slurp("$dir/block");
}

sub bundle { my ($file, $blocks) = @_; return spew("$dir/$file", map { block($_) } split ' ', $blocks) }

# A server whose program answers by what it is told: { RSA => 'A' }; "text" is the configuration with @exec@ for that program.
sub server {
    my ($text, $answers, %o) = @_;
    my $h = front(name => 'proxy-encrypted-several', main => "SSLPassPhraseDialog exec:\@root\@/cgi/ask\n", loglevel => 'debug',
        hosts => { x => "ServerName front.test:8443\n$text\n$PASS" }, %o);
    my $root = $h->root;
    $h->file('conf/answers', '');
    answers($h, $answers);
    $h->cgi('ask', qq(#!/bin/sh\necho "\$#: \$1 \$2" >>$root/run/calls\nsed -n "s/^\$2=//p" $root/conf/answers\n));
    return $h;
}

sub answers {
    my ($h, $answers) = @_;
    return $h->file('conf/answers', join '', map { "$_=" . ($PHRASE{ $answers->{$_} } || $answers->{$_}) . "\n" } keys %$answers);
}

# The places that the program was asked about since the last time.
sub calls {
    my ($h) = @_;
    return $h->calls =~ s/^2: front\.test:8443 (\w+)\n/$1 /gmr =~ s/ \z//r;
}

sub seen {
    my ($h) = @_;
    return join ', ', map {
        my $r = via($h, 'x', path => "/$_/");
        "$_: " . (($r->{seen}{client} || $r->{status}) =~ s/^.*CN=//r =~ s/,.*//r)
    } qw(any rsa ec ca2);
}

my $FILE = "SSLProxyMachineCertificateFile $dir";
my $THREE = 'any: proxy.test, rsa: proxy.test, ec: EC Client, ca2: Foreign Client';
my $PAIRS = sub { "proxy.crt proxy.key:$_[0] client-ec.crt client-ec.key:$_[1] client2.crt client2.key:$_[2]" };

# --- which are asked for, and what backends get ---------------------------------------------------------

# [name, directive, files => blocks, answers, asked for, what each backend sees]
for (
    ['one phrase', "$FILE/one.pem", $PAIRS->(qw(A A A)), { RSA => 'A' }, 'RSA', $THREE],
    ['three phrases', "$FILE/one.pem", $PAIRS->(qw(A B C)), { RSA => 'A', DSA => 'B', ECC => 'C' }, 'RSA DSA ECC', $THREE],
    ['two of three alike', "$FILE/one.pem", $PAIRS->(qw(A B A)), { RSA => 'A', DSA => 'B' }, 'RSA DSA', $THREE],
    ['the first of two plain', "$FILE/one.pem", 'proxy.key client-ec.key:A proxy.crt client-ec.crt', { DSA => 'A' }, 'DSA',
        'any: proxy.test, rsa: proxy.test, ec: EC Client, ca2: 400'],
    ['mixed forms, keys first, in another order, with CAs', "$FILE/one.pem",
        'ca.crt client2.key:A:rsa proxy.key client-ec.key:B:ec inter.crt client.key:A client-inter.key:C client-ec.crt client2.crt proxy.crt client-inter.crt client.crt',
        { RSA => 'A', DSA => 'B', ECC => 'B', 4 => 'C' }, 'RSA ECC 4', 'any: EC Client, rsa: proxy.test, ec: EC Client, ca2: Foreign Client'],
) {
    my ($name, $directive, $blocks, $answers, $asked, $seen) = @$_;
    bundle('one.pem', $blocks);
    my $h = server($directive, $answers);
    ok($h->start, "$name: starts") or do { diag $h->why; next };
    is(calls($h), $asked, "$name: which places are asked for");
    is(seen($h), $seen, "$name: what backends get");
    for my $how (qw(graceful restart)) {
        ok($h->$how, "$name: $how");
        is(calls($h), '', "$name: nobody is asked");
        is(seen($h), $seen, "$name: the same certificates");
    }
    unlike($h->errorlog, qr/Grundel/, "$name: no phrase in the log");
}

# The order of files in a directory is anybody's; a key and its certificate may be in different ones.
{
    mkdir "$dir/certs";
    bundle('certs/1.pem', 'proxy.crt client-ec.key:A proxy.key:A');
    my $h = server("SSLProxyMachineCertificatePath $dir/certs", { RSA => 'A', DSA => 'A' });
    bundle('certs/2.pem', 'client-ec.crt client2.key:A:rsa client2.crt');
    bundle('certs/3.pem', 'client.crt client.key client-inter.crt client-inter.key:A');
    ok($h->start, 'directory: starts') or diag $h->why;
    like(calls($h), qr/^(?:RSA|DSA)\z/, 'directory: one question for one phrase');
    like(seen($h), qr/rsa: (?:proxy.test|Test Client), ec: EC Client, ca2: Foreign Client/, 'directory: what backends get');
    ok($h->graceful, 'directory: graceful');
    is(calls($h), '', 'directory: nobody is asked');
}

# --- with server keys and sections -----------------------------------------------------------------------

{
    bundle('one.pem', $PAIRS->(qw(A B B)));
    bundle('server.pem', 'rsa.crt rsa.key:A');
    my $h = server("SSLEngine on\nSSLCertificateFile $dir/server.pem\n<Proxy *>\n$FILE/one.pem\n</Proxy>", { RSA => 'A', DSA => 'B' });
    ok($h->start, 'a server key and a section: starts') or diag $h->why;
    is(calls($h), 'RSA DSA', 'the phrase of a server key is tried with the keys of a section');
}

{
    bundle('one.pem', $PAIRS->(qw(A B B)));
    my $h = server("<Proxy *>\n$FILE/one.pem\n</Proxy>", { RSA => 'A', DSA => 'wrong' });
    like($h->start_fails || '', qr/AH02580: .*private key 2 in '\Q$dir\E\/one\.pem'/, 'a section whose key cannot be decrypted: no start');
    is(calls($h), 'RSA DSA', '... after it was asked for');
}

# --- files that change ----------------------------------------------------------------------------------

{
    bundle('one.pem', $PAIRS->(qw(A B C)));
    my $h = server("$FILE/one.pem", { RSA => 'A', DSA => 'B', ECC => 'C' });
    ok($h->start, 'starts') or diag $h->why;
    calls($h);
    my @pids = $h->pids;
    SKIP: {
        my $why = unreadable($pids[0]);
        skip $why, 5 if $why;
        is(scalar(grep { in_memory($_, 'front.test') } @pids), scalar @pids, 'a server name is found in every process');
        is(scalar(grep { in_memory($_, $END) } @pids), 0, 'no phrase is');
        my @lines = grep { !/-----|:/ } split /\n/, slurp("$dir/one.pem") =~ s/-+BEGIN CERT.*?END CERT\S+\n//grs;
        is(scalar(grep { my $line = $_; grep { in_memory($_, $line) } @pids } @lines[3, @lines / 2, -3]), 0, "nor is a key's text");
    }
    bundle('one.pem', 'client.crt ' . $PAIRS->(qw(A B C)) . ' client.key:A');
    ok($h->graceful, 'graceful restart with one more key');
    is(calls($h), 'RSA DSA ECC', 'asks for the keys of the file that changed, but not twice for one phrase');
    is(seen($h), 'any: Test Client, rsa: Test Client, ec: EC Client, ca2: Foreign Client', 'and has them all');

    my $before = slurp("$dir/one.pem");
    spew("$dir/one.pem", "# of another size\n$before");
    answers($h, { RSA => 'A', DSA => 'wrong', ECC => 'C' });
    ok($h->graceful, 'graceful restart when one of them cannot be decrypted: the server goes on');
    like($h->errorlog, qr/AH02580: front\.test:8443: Pass phrase incorrect for private key 2 in '\Q$dir\E\/one\.pem': it came from the program/,
        'the log names the key');
    like($h->errorlog, qr/private key 2 in '\Q$dir\E\/one\.pem' has changed and cannot be decrypted: the one .* before stays in use/,
        'and says what is done');
    is(calls($h), 'RSA DSA ECC', 'after it has asked');
    is(seen($h), 'any: Test Client, rsa: Test Client, ec: EC Client, ca2: Foreign Client', 'with the key that it had');
    ok($h->graceful, 'another graceful restart');
    is(calls($h), 'DSA', 'asks again for that one alone');
}

# --- no start ------------------------------------------------------------------------------------------

# [name, blocks, answers, asked for, what the log says]
for (
    ['a wrong phrase for the second', $PAIRS->(qw(A B C)), { RSA => 'A', DSA => 'C', ECC => 'B' }, 'RSA DSA', qr/AH02580: .*Pass phrase incorrect for private key 2 in 'FILE/],
    ['nothing for the third', 'proxy.key client-ec.key:A client2.key:B:rsa', { DSA => 'A' }, 'DSA ECC', qr/AH02578: .*private key 3 in 'FILE' is encrypted, and no pass phrase came from the program/],
    ['a key without a certificate', 'proxy.crt proxy.key:A client2.key:B client-ec.crt client-ec.key', { RSA => 'A', DSA => 'B' }, 'RSA DSA', qr/AH02326: .*'FILE': private key 2 in it belongs to none/],
) {
    my ($name, $blocks, $answers, $asked, $words) = @$_;
    bundle('bad.pem', $blocks);
    my $h = server("$FILE/bad.pem", $answers);
    my $why = $h->start_fails;
    ok(defined $why, "$name: no start");
    is(calls($h), $asked, "$name: which places were asked for");
    $words = "$words" =~ s/FILE/\Q$dir\E\/bad\.pem/r;
    like($why || '', qr/$words/, "$name: the log says why");
    unlike($why || '', qr/Grundel/, "$name: without a phrase");
}
for (
    ['damage behind an encrypted key', 'proxy.key:A proxy.crt', qr/(?<=BEGIN CERTIFICATE-----\n).{8}/, '!!!!!!!!', qr/'FILE': PEM block 2 in it is damaged/],
    ['a plain key that is none', 'proxy.key:A proxy.crt client-ec.key', qr/(?<=BEGIN PRIVATE KEY-----\n).*?(?=-----END)/s, "AAAA\n", qr/'FILE': private key 2 in it cannot be read/],
    ['a certificate that is none', 'proxy.crt proxy.key:A client-ec.crt', qr/.*\K(?<=BEGIN CERTIFICATE-----\n).*?(?=-----END)/s, "AAAA\n", qr/'FILE': certificate 2 in it cannot be read/],
) {
    my ($name, $blocks, $part, $instead, $words) = @$_;
    bundle('bad.pem', $blocks);
    spew("$dir/bad.pem", slurp("$dir/bad.pem") =~ s/$part/$instead/r);
    my $why = server("$FILE/bad.pem", { RSA => 'A' })->start_fails;
    $words = "$words" =~ s/FILE/\Q$dir\E\/bad\.pem/r;
    like($why || '', qr/$words/, "$name: the log says where");
}

# --- other dialogs ----------------------------------------------------------------------------------------

bundle('one.pem', $PAIRS->(qw(A B A)));
{
    my $h = server("$FILE/one.pem", {}, main => '', stdin => "wrong\n$PHRASE{A}\n$PHRASE{B}\n");
    ok($h->start, 'builtin: a wrong phrase is asked for again') or diag $h->why;
    my $prompts = slurp($h->root . '/logs/stderr');
    is(join(' ', $prompts =~ /^(Private key .*)/mg), "Private key front.test:8443:0 ($dir/one.pem) Private key front.test:8443:1 ($dir/one.pem)",
        'builtin: what the prompts say');
    is(scalar(() = $prompts =~ /Enter pass phrase:/g), 3, 'builtin: how many there are');
    is(scalar(() = $prompts =~ /\(Pass Phrase Dialog\)/g), 1, 'builtin: one title');
    is(seen($h), $THREE, 'builtin: what backends get');
    ok($h->graceful, 'builtin: graceful, when nobody is there any more');
    is(seen($h), $THREE, 'builtin: the same certificates');
}
{
    my $h = server("$FILE/one.pem", {}, main => '');
    my $why = $h->start_fails;
    ok(defined $why, 'builtin, and nobody there: no start');
    like($why || '', qr/AH02578: front\.test:8443: private key 1 in '\Q$dir\E\/one\.pem' is encrypted, .*no terminal/, '... and the log says why');
}
{
    my $h = server("$FILE/one.pem", {}, main => "SSLPassPhraseDialog |\@root\@/cgi/pipe\n");
    $h->cgi('pipe', <<"SH");
#!/bin/sh
while IFS= read -r line; do
    case \$line in
        "Private key front.test:8443:0 ($dir/one.pem)") echo '$PHRASE{A}' ;;
        "Private key front.test:8443:1 ($dir/one.pem)") echo wrong; echo '$PHRASE{B}' ;;
    esac
done
SH
    ok($h->start, 'a program that reads prompts') or diag $h->why;
    is(seen($h), $THREE, '... what backends get');
}
done_testing;
