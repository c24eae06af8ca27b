# httpd -t -D DUMP_CERTS lists the path of every SSLCertificateFile, for scripts that watch their expiry; -S looks at no file.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(pki_dir);

my $pki = pki_dir();
my $pair = sub { join '', map { "SSLCertificateFile \@pki\@/$_.crt\nSSLCertificateKeyFile \@pki\@/$_.key\n" } @_ };
my $host = sub { "<VirtualHost 127.0.0.1:\@port:https\@>\nServerName $_[0].test\n$_[1]</VirtualHost>\n" };

# name, configuration => files, in the order of httpd's list: the main server, then from the last virtual host to the first
my @CASES = (
    ['nothing', '', []],
    ['no certificate', $host->('a', "SSLEngine on\n"), []],
    ['several hosts', $host->('a', "SSLEngine on\n" . $pair->('a')) . $host->('b', "SSLEngine on\n" . $pair->('b')), ['b', 'a']],
    ['two in one host', $host->('a', "SSLEngine on\n" . $pair->('rsa', 'ecdsa')), ['rsa', 'ecdsa']],
    ['engine off', $host->('a', $pair->('a')), ['a']],
    ['inherited ones, too', $pair->('rsa') . $host->('a', "SSLEngine on\n") . $host->('b', $pair->('b')) . $host->('c', ''),
        ['rsa', 'rsa', 'b', 'rsa']],
);

for my $case (@CASES) {
    my ($name, $config, $files) = @$case;
    my $h = ModSSL::Httpd->new(name => 'dump-certs', config => $config, loglevel => 'warn');
    my ($status, $output) = $h->run('-t', '-D', 'DUMP_CERTS');
    is($status, 0, "$name: exit status");
    is($output =~ s/^Syntax OK\n//mr, join('', "Server certificates:\n", map { "  $pki/$_.crt\n" } @$files), "$name: the list");
}

{
    my $h = ModSSL::Httpd->new(name => 'dump-not', config => $host->('a', "SSLEngine on\n" . $pair->('a')));
    my ($status, $output) = $h->run('-t');
    unlike($output, qr/Server certificates/, 'no list unless asked for');
}

{
    my $uri = 'pkcs11:token=t;object=o';
    my $h = ModSSL::Httpd->new(name => 'dump-uri', config => $host->('a', "SSLEngine on\nSSLCertificateFile $uri;pin-value=0815\n"));
    my ($status, $output) = $h->run('-t', '-D', 'DUMP_CERTS');
    like($output, qr/^  \Q$uri\E/m, 'an object in a token');
    SKIP: {
        skip 'stock prints the PIN', 1 if is_stock();
        like($output, qr/^  \Q$uri\E;pin-value=\*\*\*$/m, 'without its PIN');
    }
}

# Whoever asks -S for the virtual hosts may not be allowed to read the files.
{
    my $h = ModSSL::Httpd->new(name => 'dump-hosts', config =>
        $host->('a', "SSLEngine on\nSSLCertificateFile nowhere.crt\nSSLCertificateKeyFile nowhere.key\n"));
    my ($status, $output) = $h->run('-S');
    is($status, 0, '-S with files that are not there: exit status');
    like($output, qr/a\.test/, 'and the virtual hosts are listed');
    ($status, $output) = $h->configtest;
    isnt($status, 0, '-t insists on them');
}

done_testing;
