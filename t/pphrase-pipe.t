# SPDX-License-Identifier: Apache-2.0
#
# SSLPassPhraseDialog |/path/to/program args: prompts on its standard input, phrases from its standard output.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock httpd_version wait_for);
use ModSSL::Client qw(presented);
use ModSSL::PKI qw(pki_file openssl slurp);

my %phrase = (rsa => 'Grundel rsa', ecdsa => 'Grundel ecdsa', a => 'Grundel a', b => 'Grundel rsa');
my %name = (rsa => 'rsa.test', ecdsa => 'ecdsa.test:8443', a => 'a.test', b => 'b.test');

# A server with these keys, asking a program whose first line is SCRIPT's.
sub server_with {
    my ($script, @keys) = @_;
    my $h = ModSSL::Httpd->new(name => 'pphrase-pipe', minimal => 1, loglevel => 'debug');
    my $program = $h->cgi('dialog', $script =~ s/\@root\@/$h->root/ger);
    my $config = qq(SSLPassPhraseDialog "|$program one 'two words' \$HOME"\n);
    for my $key (@keys) {
        my $path = $h->root . "/$key.key";
        openssl('pkey', '-in', pki_file("$key.key"), '-aes256', '-passout', "pass:$phrase{$key}", '-out', $path);
        chmod 0644, $path;
        $config .= <<"EOT";
<VirtualHost *:\@port:https\@>
    ServerName $name{$key}
    SSLEngine on
    SSLCertificateFile \@pki\@/$key.crt
    SSLCertificateKeyFile $path
</VirtualHost>
EOT
    }
    $h->config($config);
    return $h;
}

# Answers by the line "Private key NAME:PORT:INDEX (file)", and logs all that it hears.
my $by_name = <<'SH';
#!/bin/sh
echo "arguments: $#: $1: $2: $3" >>@root@/run/heard
while IFS= read -r line; do
    echo "$line" >>@root@/run/heard
    case $line in
        "Private key ecdsa.test:8443:0 (@root@/ecdsa.key)") echo "Grundel ecdsa" ;;
        "Private key "*" (@root@/a.key)") echo "Grundel a" ;;
        "Private key "*) echo "Grundel rsa" ;;
    esac
done
SH

# What programs heard since the last time; they may still be writing it.
sub heard {
    my ($h, $last) = @_;
    my $file = $h->root . '/run/heard';
    wait_for(5, sub { -e $file && slurp($file) =~ $last }) if $last;
    my $text = -e $file ? slurp($file) : '';
    unlink $file;
    return $text;
}

my $h = server_with($by_name, qw(rsa ecdsa a b));
$h->start or die $h->why;
is(presented($h->port('https'), sni => $_), $_, "$_ has its key") for qw(rsa.test ecdsa.test a.test b.test);
my $root = $h->root;
my $version = httpd_version();
my $heard = heard($h, qr/(?:successful.*){3}/s);
like($heard, qr/^arguments: 3: one: two words: \$HOME$/m, 'arguments are split as in a shell, but not expanded');
like($heard, qr/^Apache\/\Q$version\E mod_ssl \(Pass Phrase Dialog\)$/m, 'the prompt starts with a title');
is(scalar(() = $heard =~ /^Enter pass phrase:$/mg), 3, 'four keys of three phrases: three questions');
like($heard, qr/^Private key a\.test:443:0 \(\Q$root\E\/a\.key\)$/m, 'the prompt names server, index and key file');
like($heard, qr/^OK: Pass Phrase Dialog successful\.$/m, 'and the program hears of its success');
ok($h->graceful, 'graceful restart');
is(heard($h), '', 'asks nothing');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'the key is still there');

my $old = time - 86400;
utime $old, $old, "$root/a.key" or die;
ok($h->graceful, 'graceful restart after a change of a key file');
like($heard = heard($h, qr/successful/), qr/^Private key a\.test:443:0 /m, 'asks for that key');
unlike($heard, qr/^Private key [^a]/m, 'and no other');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'and has it');
unlike($h->errorlog, qr/Grundel/, 'no phrase was logged');

# --- more than one answer --------------------------------------------------------------------------

# Writes the lines of its plan as prompts arrive, and logs what it hears to the end of the prompts.
sub answering {
    my (@answers) = @_;
    return <<"PERL";
#!/usr/bin/perl
my \$text = '';
sub hear {
    my \$until = shift;
    while (\$text !~ /\$until/) {
        sysread(STDIN, \$text, 4096, length \$text) or last;
    }
    open my \$log, '>>', '\@root\@/run/heard';
    print {\$log} \$text;
    \$text = '';
}
for my \$answer (qw(@answers)) {
    hear(qr/Enter pass phrase:\\z/);
    syswrite STDOUT, "\$answer\\n" =~ tr/_/ /r;
}
hear(qr/successful|0 more/);
PERL
}

$h = server_with(answering('wrong', 'Grundel_rsa', 'Grundel_a'), qw(rsa));
ok($h->start, 'a wrong phrase and a right one') or diag $h->why;
like(heard($h, qr/successful/), qr/\nEnter pass phrase:\nApache:mod_ssl:Error: Pass phrase incorrect \(5 more retries permitted\)\.\n/s,
     'the program was told that the first was wrong');

$h = server_with(answering('Grundel_rsa', 'Grundel_a', 'Grundel_ecdsa'), qw(rsa ecdsa a));
ok($h->start, 'a program that knows no names: phrases one after the other') or diag $h->why;
is(presented($h->port('https'), sni => 'ecdsa.test'), 'ecdsa.test', 'each key finds its phrase');

SKIP: {
    skip 'these end the stock module by SIGPIPE, or let it wait for ever', 26 if is_stock();

    local $SIG{PIPE} = 'DEFAULT';    # as httpd is started from a shell
    $h = server_with("#!/bin/sh\nexec <&-\necho 'Grundel rsa'\n", 'rsa');
    ok($h->start, 'a program that hears no prompt') or diag $h->why;

    $h = server_with("#!/bin/sh\nprintf 'Grundel rsa\\r\\n'\ncat >/dev/null\n", 'rsa');
    ok($h->start, 'an answer with CR LF') or diag $h->why;

    # [name, script, what the log says besides naming program and key]
    for (
        ['six wrong phrases',    answering(('wrong') x 6),             qr/incorrect/],
        ['nothing',              "#!/bin/sh\nexit 3\n",                qr/no pass phrase came from.*exit status 3/],
        ['one wrong phrase',     "#!/bin/sh\necho wrong\n",            qr/no pass phrase came from/],
        ['empty lines for ever', "#!/bin/sh\nexec yes ''\n",           qr/no pass phrase came from/],
        ['what cannot be run',   "#!/nowhere\n",                       qr/no pass phrase came from|cannot be run/],
    ) {
        my ($name, $script, $words) = @$_;
        $h = server_with($script, 'rsa');
        my $why = $h->start_fails;
        ok(defined $why, "$name: the server does not start");
        like($why, qr/\[ssl:error\].*$words/, 'the log says why');
        like($why, qr{'\Q@{[ $h->root ]}\E/cgi/dialog'}, 'and names the program');
        like($why, qr{'\Q@{[ $h->root ]}\E/rsa\.key'}, 'and the key');
    }

    $h = server_with('', 'rsa');
    unlink $h->root . '/cgi/dialog';
    my $why = $h->start_fails;
    like($why, qr/\[ssl:error\].*No such file/, 'no such program: the log says why');
    like($why, qr{'\Q@{[ $h->root ]}\E/cgi/dialog'}, 'and names the program');

    # what the program does when it is done is its own affair
    $h = server_with("#!/bin/sh\necho 'Grundel rsa'\ncat >/dev/null\nexec >&- 2>&-\nsleep 2\necho >\@root\@/run/done\n", 'rsa');
    ok($h->start, 'a program that does not end at once') or diag $h->why;
    ok(wait_for(10, sub { -e $h->root . '/run/done' }), 'is left alone');
}

done_testing;
