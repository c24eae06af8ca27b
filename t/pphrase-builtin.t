# SPDX-License-Identifier: Apache-2.0
#
# SSLPassPhraseDialog builtin: the dialog at the terminal that httpd is started from.
use strict;
use warnings;
use IPC::Open2;
use Test::More;
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::Client qw(presented);
use ModSSL::PKI qw(pki_file openssl slurp);

my %phrase = (a => 'Grundel a', b => 'Grundel b', c => 'Grundel a');

sub server_with {
    my ($keys, %o) = @_;
    my $directive = exists $o{directive} ? delete $o{directive} : 'SSLPassPhraseDialog builtin';
    my $h = ModSSL::Httpd->new(name => 'pphrase-builtin', minimal => 1, loglevel => 'debug', %o);
    my $config = "$directive\n";
    for my $key (@$keys) {
        my $path = $h->root . "/$key.key";
        openssl('pkey', '-in', pki_file("$key.key"), '-aes256', '-passout', "pass:$phrase{$key}", '-out', $path);
        chmod 0644, $path;
        $config .= <<"EOT";
<VirtualHost *:\@port:https\@>
    ServerName $key.test
    SSLEngine on
    SSLCertificateFile \@pki\@/$key.crt
    SSLCertificateKeyFile $path
</VirtualHost>
EOT
    }
    $h->config($config);
    return $h;
}

# Runs httpd on a terminal, by the shell's line LINE with HTTPD in it, and answers each prompt. Returns what the
# terminal shows up to the time when the server serves or ends, and the certificate of b.test if it serves.
sub dialog {
    my ($h, $line, @answers) = @_;
    my @command = $h->command('-DFOREGROUND');
    my $env = $ENV{MODSSL_ASAN} ? "LD_PRELOAD=$ENV{MODSSL_ASAN} ASAN_OPTIONS=detect_leaks=0 " : '';
    $command[2] = $line =~ s/HTTPD/env $env$command[2]/r;    # script -qec LINE /dev/null
    my $pid = open2(my $from, my $to, 'timeout', '-k', 5, 120, @command);
    my $text = '';
    my $seen = 0;
    my $ended = 0;
    my $up = 0;
    vec(my $bits = '', fileno $from, 1) = 1;
    for (1 .. 900) {
        if (select(my $ready = $bits, undef, undef, 0.1)) {
            sysread($from, $text, 4096, length $text) or do { $ended = 1; last };
        }
        elsif (@answers && substr($text, $seen) =~ /Enter pass phrase:\s*\z/) {
            $seen = length $text;
            syswrite $to, shift @answers;
        }
        elsif (!@answers && $h->pid && presented($h->port('https'), sni => 'a.test')) {
            $up = 1;
            last;
        }
    }
    my $served = $up ? presented($h->port('https'), sni => 'b.test') : undef;
    my @pids = $h->pids;
    kill 'TERM', $h->pid || $pid if !$ended;
    wait_for(10, sub { waitpid($pid, 1) == $pid }) or kill 'KILL', $pid, @pids;
    return ($text =~ tr/\r//dr, $served);
}

# --- at a terminal ---------------------------------------------------------------------------------

my $h = server_with([qw(c b a)], tty => '');
my $root = $h->root;
my ($text, $served) = dialog($h, 'exec HTTPD', "wrong\n", "Grundel a\n", "\n", "Grundel b\n");
is($served, 'b.test', 'the server starts when the phrases are right') or diag $text, $h->errorlog;
is(scalar(() = $text =~ /Enter pass phrase:/g), 4, 'three keys, two phrases, two mistakes: asked four times');
is(scalar(() = $text =~ /\(Pass Phrase Dialog\)/g), 1, 'one title');
like($text, qr/Private key a\.test:443:0 \(\Q$root\E\/a\.key\)\n/, 'the prompt names server, index and file');
like($text, qr/Private key b\.test:443:0 \(\Q$root\E\/b\.key\)\n/, 'of each key');
unlike($text, qr/Private key c\./, 'of which the phrase is not known');
like($text, qr/phrase:\nApache:mod_ssl:Error: Pass phrase incorrect \(5 more retries permitted\)\.\n/, 'a wrong phrase');
like($text, qr/phrase:\nApache:mod_ssl:Error: Pass phrase empty/, 'an empty phrase');
like($text, qr/\nOK: Pass Phrase Dialog successful\./, 'success is told');
unlike($text, qr/Grundel|wrong/, 'what is typed is not echoed');
unlike($h->errorlog, qr/Grundel|wrong/, 'nor logged');

# --- typed ahead, and restarts ---------------------------------------------------------------------

$h = server_with([qw(b a)], tty => "Grundel a\nGrundel b\n", directive => '');
ok($h->start, 'the dialog is the default; phrases may be typed before the prompt comes') or diag $h->why;
is(presented($h->port('https'), sni => 'b.test'), 'b.test', 'the key is in use');
ok($h->graceful, 'graceful restart');
SKIP: {
    skip 'prefork sends SIGHUP to its whole process group, and with it to our terminal', 1 if ModSSL::Httpd::mpm() eq 'prefork';
    ok($h->restart, 'restart');
}
is(scalar(() = slurp($h->root . '/logs/stderr') =~ /Enter pass phrase:/g), 2, 'neither asks again');
is(presented($h->port('https'), sni => 'b.test'), 'b.test', 'the key is still there');
$h->stop;

# --- without a terminal ----------------------------------------------------------------------------

$h = server_with([qw(b a)], stdin => "Grundel a\nGrundel b\n");
ok($h->start, 'without a terminal, phrases may come from standard input') or diag $h->why;
is(presented($h->port('https'), sni => 'b.test'), 'b.test', 'the key is in use');

my $old = time - 86400;
utime $old, $old, $h->root . '/b.key' or die;
ok($h->graceful, 'graceful restart after a change of a key file, when nobody can be asked: the server goes on');
is(presented($h->port('https'), sni => 'b.test'), 'b.test', 'with the key that it had');
like($h->errorlog, is_stock() ? qr/AH02578/ : qr{\[ssl:error\].*AH02578.*/b\.key'.*no terminal}, 'and says so');
$h->stop;

$h = server_with([qw(a)]);
my $why = $h->start_fails;
ok(defined $why, 'nor can the server start with nothing there');
like($why, qr/AH02578/, 'it says so');
SKIP: {
    skip 'wording is ours', 2 if is_stock();
    like($why, qr/no terminal/, 'and why');
    like($why, qr{'\Q@{[ $h->root ]}\E/a\.key'}, 'and names the key');
}

# --- where the stock module sleeps, asks on or cannot be seen --------------------------------------

SKIP: {
    skip 'ours is better', 11 if is_stock();

    $h = server_with([qw(b a)], tty => '');
    ($text, $served) = dialog($h, 'exec HTTPD', ("wrong\n") x 6);
    is($served, undef, 'six wrong phrases: the server does not start');
    is(scalar(() = $text =~ /Enter pass phrase:/g), 6, 'nor does it ask once more');
    like($h->errorlog, qr{\[ssl:error\].*incorrect.*/a\.key'.*terminal}, 'the log names the key');

    $h = server_with([qw(b a)], tty => '');
    ($text, $served) = dialog($h, 'exec HTTPD', "\x04");
    is($served, undef, 'the end of file key: the server does not start');
    is(scalar(() = $text =~ /Enter pass phrase:/g), 1, 'nor does it ask again');
    like($h->errorlog, qr{\[ssl:error\].*no pass phrase came from the terminal}, 'the log says why');

    $h = server_with([qw(b a)], tty => '');
    ($text, $served) = dialog($h, 'trap : INT; HTTPD; stty -a', "\x03");
    is($served, undef, 'the interrupt key: the server does not start');
    is(scalar(() = $text =~ /Enter pass phrase:/g), 1, 'nor does it ask again');
    like($text, qr/(?<!-)echo\b/, 'the terminal echoes again');

    $h = server_with([qw(b a)], tty => '');
    $root = $h->root;
    ($text, $served) = dialog($h, "exec HTTPD </dev/null >$root/logs/out 2>&1", "Grundel a\n", "Grundel b\n");
    is($served, 'b.test', 'the terminal is found though the standard files are elsewhere') or diag $text;
    like($text, qr/Private key b\.test/, 'and shows the prompts');
}

done_testing;
