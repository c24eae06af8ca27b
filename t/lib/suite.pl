# What t/TEST runs as an ordinary user, in its work directory: Apache::TestRun with our server and our PKI.

use strict;
use warnings;
use Cwd ();
use IO::Socket::INET;
use lib Cwd::cwd() . '/t/lib';
use ModSSL::Httpd ();
use ModSSL::PKI qw(pki_dir spew slurp);

package ModSSL::Suite;
use parent 'Apache::TestRun';

use Apache::TestConfig ();

# Apache::Test listens on every interface of the machine for the virtual hosts it finds in *.conf.in.
# Ours stay at home.
{
    my $parse = \&Apache::TestConfig::parse_vhost;
    no warnings 'redefine';
    *Apache::TestConfig::parse_vhost = sub {
        my $vhost = $parse->(@_) or return;
        $vhost->{out_string} =~ s/\b0\.0\.0\.0\b/127.0.0.1/;
        return $vhost;
    };
}

sub start {
    my ($self, @args) = @_;
    $self->SUPER::start(@args);
    my $pid = $self->{server}->pid or main::refuse($self, 'the server has not started');
    my $wrong = ModSSL::Httpd::wrong_module_of($pid);
    main::refuse($self, $wrong) if $wrong;
    print "module loaded: ", ModSSL::Httpd::so_path(), "\n";
    return;
}

package main;

sub refuse {
    my ($run, $why) = @_;
    print STDERR "t/TEST: $why\n";
    $run->{server}->stop;
    exit 1;
}

my $top = Cwd::cwd();

# httpd as Apache::Test is to start it: in the foreground under a time limit, so that it cannot outlive the
# suite for long, and under the sanitizer when there is one.
sub wrapper {
    my %env = ModSSL::Httpd::sanitizer_env();
    my @tool = ModSSL::Httpd::valgrind_prefix();
    my $settings = join ' ', map { "$_='$env{$_}'" } sort keys %env;
    my $httpd = ModSSL::Httpd::httpd_binary();
    my $file = spew("$top/httpd", "#!/bin/sh\n", "exec timeout 3600 env $settings @tool $httpd -DFOREGROUND \"\$\@\"\n");
    chmod 0755, $file;
    return $file;
}

# The virtual hosts take the ports after the first. A place of our own in the range lets two suites run at once.
sub port_range {
    for (1 .. 200) {
        my $first = 10000 + 20 * int rand 1100;
        my @held = map {
            IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $_, Listen => 1) || ()
        } $first .. $first + 19;
        return $first if @held == 20;
    }
    die "no free ports\n";
}

my $load = join '', map { "LoadModule $_->[0] $_->[1]\n" } ModSSL::Httpd::module_list();
my $base = spew("$top/base.conf", $load);
$ENV{APACHE_TEST_STARTUP_TIMEOUT} ||= 120;
pki_dir();

# Apache::Test goes to the directory above the one that holds $0; and it would start again under another ulimit.
$0 = "$top/t/TEST";
$ENV{APACHE_TEST_ULIMIT_SET} = 1;

ModSSL::Suite->new->run(
    '-httpd', wrapper(), '-httpd_conf', $base, '-port', port_range(), '-servername', 'localhost',
    '-minclients', 4, '-maxclients', 8, '-trace', $ENV{MODSSL_TRACE} || 'error', @ARGV);
