# SPDX-License-Identifier: Apache-2.0
#
# SSLPassPhraseDialog exec:/path/to/program: what the program is told, how often it is called, what becomes of
# its answer, and how a server that cannot get its keys says so.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Memory qw(in_memory unreadable);
use ModSSL::Client qw(presented);
use ModSSL::PKI qw(pki_file openssl slurp spew);

# Long: what is freed without being wiped keeps its end rather than its start.
my $end = 'which has an end that tells it from anything else in memory';
my $shared = 'the shared phrase, which also has an end that is found nowhere else';
my %phrase = (
    (map { $_ => $shared } qw(rsa chain c)),
    (map { $_ => "Grundel  $_ $end " } qw(ecdsa ed25519 rsapss a b)),
);

sub encrypt {
    my ($h, $name, $phrase, @how) = @_;
    my $path = $h->root . "/$name.key";
    openssl(@how ? @how : 'pkey', '-in', pki_file("$name.key"), '-aes256', '-passout', "pass:$phrase", '-out', $path);
    chmod 0644, $path;
    return $path;
}

# A program that logs what it is told, and answers from conf/answers: lines "servername:port type=phrase".
sub dialog_program {
    my ($h, $more) = @_;
    my $root = $h->root;
    return $h->cgi('dialog', <<"SH" . ($more || ''));
#!/bin/sh
echo "\$# \$1 \$2" >>$root/run/calls
ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> /\\1 /p' >$root/run/descriptors
sed -n "s/^\$1 \$2=//p" $root/conf/answers
SH
}

sub calls {
    my ($h) = @_;
    return [sort split /\n/, $h->calls];
}

my $h = ModSSL::Httpd->new(listen => ['https', 'other']);
my $program = dialog_program($h);
encrypt($h, $_, $phrase{$_}) for grep { !/^(?:a|chain)$/ } keys %phrase;
encrypt($h, 'a', $phrase{a}, 'ec');                          # traditional PEM: BEGIN EC PRIVATE KEY
encrypt($h, 'chain', $phrase{chain}, 'rsa', '-traditional');
spew($h->root . '/c.pem', slurp(pki_file('c.crt')), slurp($h->root . '/c.key'));
chmod 0644, $h->root . '/c.pem';
like(slurp($h->root . '/a.key'), qr/EC PRIVATE KEY.*ENCRYPTED/s, 'there is a key in the traditional format');
like(slurp($h->root . '/chain.key'), qr/RSA PRIVATE KEY.*ENCRYPTED/s, 'and another');
$h->file('conf/answers', <<"EOT");
rsa.test:443 RSA=$phrase{rsa}
rsa.test:443 DSA=$phrase{ecdsa}
rsa.test:443 ECC=$phrase{ed25519}
rsa.test:443 3=$phrase{rsapss}
a.test:443 RSA=$phrase{a}
b.test:8443 RSA=$phrase{b}
chain.test:443 RSA=$phrase{chain}
c.test:443 RSA=$phrase{c}
EOT
my $config = <<"EOT";
SSLPassPhraseDialog exec:$program
<VirtualHost *:\@port:https\@>
    ServerName rsa.test
    SSLEngine on
@{[ map { "SSLCertificateFile \@pki\@/$_.crt\nSSLCertificateKeyFile \@root\@/$_.key\n" } qw(rsa ecdsa ed25519 rsapss) ]}
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName a.test
    SSLEngine on
    SSLCertificateFile \@pki\@/a.crt
    SSLCertificateKeyFile \@root\@/a.key
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName c.test
    SSLEngine on
    SSLCertificateFile \@root\@/c.pem
</VirtualHost>
<VirtualHost *:\@port:other\@>
    ServerName b.test:8443
    SSLEngine on
    SSLCertificateFile \@pki\@/b.crt
    SSLCertificateKeyFile \@root\@/b.key
</VirtualHost>
<VirtualHost *:\@port:other\@>
    ServerName chain.test
    SSLEngine on
    SSLCertificateFile \@pki\@/chain.crt
    SSLCertificateKeyFile \@root\@/chain.key
</VirtualHost>
EOT
$h->config($config);

# --- what it is told -------------------------------------------------------------------------------

$h->start or die $h->why;
my $calls = calls($h);
my @shared = grep { /(?:rsa|chain|c)\.test:443 RSA$/ } @$calls;
is(scalar @shared, 1, 'three keys of one phrase: one call') or diag explain $calls;
is_deeply([grep { $_ ne $shared[0] } @$calls],
          ['2 a.test:443 RSA', '2 b.test:8443 RSA', '2 rsa.test:443 3', '2 rsa.test:443 DSA', '2 rsa.test:443 ECC'],
          'server name, port of ServerName or 443, and the place of the key as RSA, DSA, ECC, 3; once each, '
          . 'though the configuration is read twice');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'the key in traditional PEM is in use');
is(presented($h->port('https'), sni => 'c.test'), 'c.test', 'and one that shares a file with its certificate');
is(presented($h->port('other'), sni => 'b.test'), 'b.test', 'and PKCS#8');
is(presented($h->port('other'), sni => 'chain.test'), 'chain.test', 'and one whose phrase was known');

SKIP: {
    skip 'the stock module leaves the key file open to the program', 1 if is_stock();
    my @open = grep { my ($fd) = /^(\d+)/; $fd > 2 && m{ \Q@{[ $h->root ]}\E/|socket:} }
        split /\n/, slurp($h->root . '/run/descriptors');
    is_deeply(\@open, [], 'the program gets no file or socket of the server but its standard ones');
}

# --- phrases do not stay ---------------------------------------------------------------------------

SKIP: {
    skip 'the stock module leaves phrases behind', 3 if is_stock();
    my @pids = $h->pids;
    my $why = unreadable($pids[0]);
    skip $why, 3 if $why;
    is(scalar(grep { in_memory($_, 'b.test') } @pids), scalar @pids, 'a server name is found in every process');
    is(scalar(grep { in_memory($_, $end) } @pids), 0, 'no phrase is') or diag "in some of @pids";
    is(scalar(grep { in_memory($_, substr $shared, -40) } @pids), 0, 'nor the one that was reused');
}

# --- restarts --------------------------------------------------------------------------------------

ok($h->graceful, 'graceful restart');
ok($h->restart, 'restart');
is_deeply(calls($h), [], 'neither asks again');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'the key is still there');

# other settings, other SSL_CTX: the keys are the same
$h->config($config =~ s/(ServerName a\.test)/$1\nSSLProtocol TLSv1.2/r);
ok($h->graceful, 'graceful restart with another SSLProtocol');
is_deeply(calls($h), [], 'does not ask either');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'the key is still there');

my $old = time - 86400;
utime $old, $old, $h->root . '/a.key' or die;
ok($h->graceful, 'graceful restart after a change of a key file');
is_deeply(calls($h), ['2 a.test:443 RSA'], 'asks for that key');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'and has it');

encrypt($h, 'a', 'not known to the program');
ok($h->graceful, 'graceful restart with a key that cannot be decrypted: the server goes on');
is_deeply(calls($h), ['2 a.test:443 RSA'], 'after it has asked');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'with the key that it had');

my $answers = slurp($h->root . '/conf/answers');
$h->file('conf/answers', $answers =~ s/^(a\.test.*?=).*/$1not known to the program/mr);
ok($h->graceful, 'graceful restart when the phrase is known');
is_deeply(calls($h), ['2 a.test:443 RSA'], 'asks again, though the file is the same');
is(presented($h->port('https'), sni => 'a.test'), 'a.test', 'and has the key');
ok($h->graceful, 'one more');
is_deeply(calls($h), [], 'no longer asks');
unlike($h->errorlog, qr/Grundel|\Q$shared\E|known to the program/, 'no phrase was logged');
ok($h->stop, 'the server ends');

# --- answers ---------------------------------------------------------------------------------------

sub server_with {
    my ($script, $name) = @_;
    my $h = ModSSL::Httpd->new(name => 'pphrase-exec-answer', minimal => 1, loglevel => 'debug');
    encrypt($h, 'a', 'Grundel a');
    my $program = $h->cgi('dialog', $script);
    chmod 0644, $program if $name && $name eq 'not executable';
    $h->config(<<"EOT");
SSLPassPhraseDialog exec:$program
<VirtualHost *:\@port:https\@>
    ServerName a.test
    SSLEngine on
    SSLCertificateFile \@pki\@/a.crt
    SSLCertificateKeyFile \@root\@/a.key
</VirtualHost>
EOT
    return $h;
}

for (
    ['without a line end'       => 'printf "Grundel a"'],
    ['with CR LF'               => 'printf "Grundel a\r\n"'],
    ['with more lines'          => 'printf "Grundel a\nnoise\n"'],
    ['and a bad exit status'    => 'echo "Grundel a"; exit 3'],
    ['and words on stderr'      => 'echo "oh dear" >&2; echo "Grundel a"'],
    ['and a child that lingers' => 'sleep 3 & echo "Grundel a"'],
    is_stock() ? () :    # there it waits for ever
    ['after reading its input'  => 'cat >/dev/null; echo "Grundel a"'],
) {
    my ($name, $script) = @$_;
    my $h = server_with("#!/bin/sh\n$script\n");
    ok($h->start, "an answer $name") or diag $h->why;
}

# [name, script, what our log says besides naming program and key]
for (
    ['a wrong phrase',     'echo "Grundel b"',                        qr/incorrect/],
    ['nothing',            'exit 3',                                  qr/no pass phrase came from.*exit status 3/],
    ['an empty line',      'echo',                                    qr/no pass phrase came from/],
    ['too long a line',    'head -c 5000 /dev/zero | tr "\\0" x',     qr/incorrect/],
    ['a line for ever',    'exec yes | tr -d "\\n"',                  qr/incorrect/],
    ['a signal',           'kill -9 $$',                              qr/no pass phrase came from.*signal 9/],
    ['a second line',      'printf "Grundel b\nGrundel a\n"',         qr/incorrect/],
    ['a trailing blank',   'echo "Grundel a "',                       qr/incorrect/],
    ['not executable',     'echo "Grundel a"',                        qr/Permission denied/],
) {
    my ($name, $script, $words) = @$_;
    my $h = server_with("#!/bin/sh\n$script\n", $name);
    my $why = $h->start_fails;
    ok(defined $why, "$name: the server does not start");
    SKIP: {
        skip 'messages are ours', 4 if is_stock() || !defined $why;
        like($why, qr/\[ssl:error\].*$words/, 'the log says why');
        like($why, qr{'\Q@{[ $h->root ]}\E/cgi/dialog'}, 'and names the program');
        like($why, qr{'\Q@{[ $h->root ]}\E/a\.key'}, 'and the key');
        unlike($why, qr/Grundel/, 'but no phrase');
    }
}

done_testing;
