# Who comes in where SSLRequire or SSLRequireSSL meets Satisfy, a password, StrictRequire and other SSLRequire, over TLS and
# plain. Four statuses a row: TLS without and with the password, plain HTTP without and with it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

my $password = 'AuthType Basic; AuthName x; AuthBasicProvider file; AuthUserFile @root@/passwords; Require valid-user';
my $true     = 'SSLRequire %{SSL_PROTOCOL} != ""';
my $false    = 'SSLRequire %{SSL_PROTOCOL} == ""';

# [directory, what stands in its <Directory>, statuses, what ours does otherwise (docs/differences.md)]; "a/b" inherits from "a"
my @cases = (
    ['true',      $true,                                                            '200 200 200 200'],
    ['false',     $false,                                                           '403 403 200 200'],
    ['ssl',       "SSLRequireSSL; $true",                                           '200 200 403 403'],
    ['both',      "$true; SSLRequire true",                                         '200 200 200 200'],
    ['first',     "$false; SSLRequire true",                                        '403 403 200 200'],
    ['second',    "SSLRequire true; $false",                                        '403 403 200 200'],
    ['false/x',   'SSLRequire true',                                                '403 403 200 200'],
    ['true/x',    'SSLRequire false',                                               '403 403 200 200'],
    ['true/y',    'SSLRequire true',                                                '200 200 200 200'],
    # one that cannot be evaluated is not fulfilled, whatever else stands in it
    ['error',     'SSLRequire file("@root@/no-such-file") == "x" or true',          '403 403 200 200'],
    ['noterror',  'SSLRequire not file("@root@/no-such-file") == "x"',              '403 403 200 200'],
    # the file functions of httpd, which .htaccess must not use
    ['file',      'SSLRequire file("@root@/secret") =~ m/the secret/',              '200 200 200 200'],
    ['nofile',    'SSLRequire file("@root@/secret") == "the secret"',               '403 403 200 200'],
    ['size',      'SSLRequire filesize("@root@/secret") == 11',                     '200 200 200 200'],
    ['exists',    'SSLRequire -f "@root@/secret"',                                  '200 200 200 200'],
    # Satisfy
    ['any',       "$false; Satisfy any; Require all granted",                       '200 200 200 200'],
    ['anydenied', "$false; Satisfy any; Require all denied",                        '403 403 200 200'],
    ['anytrue',   "$true; Satisfy any; Require all denied",                         '200 200 200 200'],
    ['all',       "$false; Satisfy all; Require all granted",                       '403 403 200 200'],
    ['pw',        "$true; Satisfy all; $password",                                  '401 200 401 200'],
    ['pwfalse',   "$false; Satisfy all; $password",                                 '403 403 401 200'],
    ['pwany',     "$true; Satisfy any; $password",                                  '200 200 200 200'],
    ['pwanyf',    "$false; Satisfy any; $password",                                 '401 200 200 200'],
    ['sslany',    "SSLRequireSSL; Satisfy any; $password",                          '200 200 401 200'],
    # StrictRequire
    ['spw',       "$true; Satisfy all; $password; SSLOptions +StrictRequire",       '401 200 401 200'],
    ['spwfalse',  "$false; Satisfy all; $password; SSLOptions +StrictRequire",      '403 403 401 200'],
    ['spwany',    "$true; Satisfy any; $password; SSLOptions +StrictRequire",       '200 200 200 200'],
    ['spwanyf',   "$false; Satisfy any; $password; SSLOptions +StrictRequire",      '403 403 200 200'],
    ['ssslany',   "SSLRequireSSL; Satisfy any; $password; SSLOptions +StrictRequire", '200 200 403 403'],
    ['sanytrue',  "$true; Satisfy any; Require all denied; SSLOptions +StrictRequire", '200 200 200 200'],
    ['sany',      "$false; Satisfy any; Require all granted; SSLOptions +StrictRequire", '200 200 200 200', '403 403 200 200'],
    ['sslgrant',  'SSLRequireSSL; Satisfy any; Require all granted; SSLOptions +StrictRequire', '200 200 200 200', '200 200 403 403'],
    # Require ... of httpd's own kind
    ['rssl',      'Require ssl',                                                    '200 200 403 403'],
    ['rverify',   'Require ssl-verify-client',                                      '403 403 403 403'],
    ['rsslany',   "Require ssl; $password",                                         '200 200 401 200'],
    ['rsslall',   "<RequireAll>; Require ssl; Require valid-user; </RequireAll>; " . $password =~ s/; Require valid-user//r, '401 200 403 403'],
    ['rexpr',     'Require expr %{SSL_PROTOCOL} != ""',                             '200 200 403 403'],
);

my $directories = join '', map { my ($dir, $text) = @$_; "<Directory \@htdocs\@/$dir>\n" . join("\n", split /; /, $text) . "\n</Directory>\n" } @cases;
my $h = ModSSL::Httpd->new(listen => [qw(https plain)], config => $directories . <<'CONF');
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
<VirtualHost *:@port:plain@>
</VirtualHost>
CONF
$h->file('passwords', "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
$h->file('secret', "the secret\n");
$h->file("htdocs/$_->[0]/index.html", "ok\n") for @cases;
$h->start or die $h->why;

sub status {
    my ($dir, $plain, $with) = @_;
    my $sock = $plain ? raw_connect($h->port('plain')) : tls_connect(port => $h->port, sni => 'rsa.test');
    my $r = $sock && http_get($sock, "/$dir/", 'rsa.test', close => 1, headers => $with ? { Authorization => 'Basic dXNlcjpzZWNyZXQ=' } : {});
    return $r ? $r->{status} : 'none';
}

for my $case (@cases) {
    my ($dir, $text, $stock, $ours) = @$case;
    my $got = join ' ', map { status($dir, @$_) } [0, 0], [0, 1], [1, 0], [1, 1];
    is($got, !is_stock() && $ours ? $ours : $stock, "$dir: " . $text =~ s/AuthType.*; Require valid-user/password/r);
}
ok($h->errorlog_like(qr/AH02265: access to \S+ failed, reason: .*Cannot open file/), 'an error is logged as such');
done_testing;
